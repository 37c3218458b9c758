import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { firstValueFrom, take, toArray } from 'rxjs';
import { DEFAULT_QOS, LATCHED_QOS, SENSOR_QOS, type Bus } from '../../src/bus/bus.js';
import { encodeCdr } from '../../src/bus/cdr.js';
import type { Image, StringMessage } from '../../src/bus/messages.js';

/** How an adapter is put through the contract: a bus, and a way to let messages travel. */
export interface BusUnderTest {
  readonly bus: Bus;
  /** Resolves when what was published has arrived, on adapters that deliver later. */
  readonly settle: () => Promise<void>;
}

const text = (data: string): StringMessage => ({ data });

/** What every adapter of the bus must do. Run it against each of them. */
export function describeBusContract(name: string, open: () => Promise<BusUnderTest>): void {
  describe(`bus contract: ${name}`, () => {
    let bus: Bus;
    let settle: () => Promise<void>;
    beforeEach(async () => {
      ({ bus, settle } = await open());
    });
    afterEach(async () => {
      await bus.close();
    });

    it('delivers messages in order to every subscriber, with the time of receipt', async () => {
      const first = firstValueFrom(bus.subscribe('/t', 'std_msgs/msg/String').pipe(take(3), toArray()));
      const second = firstValueFrom(bus.subscribe('/t', 'std_msgs/msg/String').pipe(take(3), toArray()));
      const publisher = bus.advertise('/t', 'std_msgs/msg/String');
      await settle();
      for (const word of ['a', 'b', 'c']) publisher.publish(text(word));
      for (const received of [await first, await second]) {
        expect(received.map(({ message }) => message.data)).toEqual(['a', 'b', 'c']);
        expect(received.every(({ receivedAt }) => typeof receivedAt === 'bigint')).toBe(true);
      }
    });

    it('gives late subscribers the last messages of a latched topic, and nothing of a volatile one', async () => {
      bus.advertise('/latched', 'std_msgs/msg/String', LATCHED_QOS).publish(text('kept'));
      bus.advertise('/volatile', 'std_msgs/msg/String', DEFAULT_QOS).publish(text('gone'));
      await settle();
      const seen: string[] = [];
      bus.subscribe('/latched', 'std_msgs/msg/String', LATCHED_QOS).subscribe(({ message }) => seen.push(message.data));
      bus.subscribe('/volatile', 'std_msgs/msg/String').subscribe(({ message }) => seen.push(message.data));
      await settle();
      expect(seen).toEqual(['kept']);
    });

    it('does not match a reliable subscriber with a best-effort publisher', async () => {
      const seen: string[] = [];
      bus
        .subscribe('/s', 'std_msgs/msg/String', DEFAULT_QOS)
        .subscribe(({ message }) => seen.push(`reliable ${message.data}`));
      bus
        .subscribe('/s', 'std_msgs/msg/String', SENSOR_QOS)
        .subscribe(({ message }) => seen.push(`sensor ${message.data}`));
      const publisher = bus.advertise('/s', 'std_msgs/msg/String', SENSOR_QOS);
      await settle();
      expect(publisher.subscriberCount).toBe(1);
      publisher.publish(text('x'));
      await settle();
      expect(seen).toEqual(['sensor x']);
    });

    it('carries a message as an object or as CDR bytes, also out of the middle of a buffer', async () => {
      const image: Image = {
        header: { stamp: { sec: 7, nanosec: 8 }, frame_id: 'f' },
        height: 1,
        width: 2,
        encoding: 'mono8',
        is_bigendian: 0,
        step: 2,
        data: Uint8Array.of(5, 6),
      };
      const received = firstValueFrom(bus.subscribe('/i', 'sensor_msgs/msg/Image').pipe(take(2), toArray()));
      const publisher = bus.advertise('/i', 'sensor_msgs/msg/Image');
      await settle();
      publisher.publish(image);
      const bytes = encodeCdr('sensor_msgs/msg/Image', image);
      const buffer = new Uint8Array(bytes.length + 5);
      buffer.set(bytes, 5);
      publisher.publish(buffer.subarray(5));
      for (const { message, cdr } of await received) {
        expect(message.header).toEqual(image.header);
        expect([message.encoding, ...message.data]).toEqual(['mono8', 5, 6]);
        // DDS may note in the header that it filled up the end to a multiple of four bytes.
        expect(Buffer.from(cdr.subarray(4, bytes.length)).equals(Buffer.from(bytes.subarray(4)))).toBe(true);
        expect(cdr.length - bytes.length).toBeLessThan(4);
      }
    });

    it('knows its topics, and refuses one name for two types', () => {
      bus.advertise('/known', 'std_msgs/msg/String');
      expect(bus.topics).toContainEqual({ topic: '/known', type: 'std_msgs/msg/String' });
      expect(() => bus.advertise('/known', 'sensor_msgs/msg/Image')).toThrow('carries std_msgs/msg/String');
    });

    it('calls services, and says when nobody serves a name', async () => {
      const stop = bus.serve('/double', 'std_srvs/srv/SetBool', ({ data }) =>
        Promise.resolve({ success: data, message: 'done' }),
      );
      await settle();
      expect(await bus.call('/double', 'std_srvs/srv/SetBool', { data: true })).toEqual({
        success: true,
        message: 'done',
      });
      stop();
      await settle();
      await expect(bus.call('/double', 'std_srvs/srv/SetBool', { data: true })).rejects.toThrow('/double');
    });

    it('stops delivering after an unsubscribe, and completes subscribers when it closes', async () => {
      const seen: string[] = [];
      let completed = false;
      const gone = bus.subscribe('/u', 'std_msgs/msg/String').subscribe(({ message }) => seen.push(message.data));
      bus.subscribe('/u', 'std_msgs/msg/String').subscribe({ complete: () => (completed = true) });
      const publisher = bus.advertise('/u', 'std_msgs/msg/String');
      await settle();
      gone.unsubscribe();
      publisher.publish(text('late'));
      await settle();
      await bus.close();
      expect(seen).toEqual([]);
      expect(completed).toBe(true);
    });
  });
}
