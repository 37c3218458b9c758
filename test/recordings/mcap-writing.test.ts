import { copyFile, mkdtemp, open, readdir, rm, stat, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parse } from '@foxglove/rosmsg';
import { McapIndexedReader } from '@mcap/core';
import { FileHandleReadable } from '@mcap/nodejs';
import { loadDecompressHandlers } from '@mcap/support';
import { DEFAULT_QOS, LATCHED_QOS } from '../../src/bus/bus.js';
import { cdrReader, encodeCdr } from '../../src/bus/cdr.js';
import { MemoryBus } from '../../src/bus/memory/memory-bus.js';
import { VirtualClock } from '../../src/bus/memory/virtual-clock.js';
import { McapFileWriter } from '../../src/recordings/mcap/mcap-file-writer.js';
import { McapRecording } from '../../src/recordings/mcap/mcap-recording.js';
import { play } from '../../src/recordings/player.js';
import { Recorder } from '../../src/recordings/recorder.js';
import { writeTabletop } from '../../src/recordings/synthetic/write-tabletop.js';

let folder: string;
let tabletop: string;
let written: number;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'mcap-'));
  tabletop = path.join(folder, 'tabletop.mcap');
  written = await writeTabletop(tabletop, {
    seconds: 1,
    rateHz: 15,
    width: 64,
    height: 48,
    compressed: false,
    clicksAtS: [0.5],
  });
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

describe('what we write as MCAP', () => {
  it.each(['none', 'zstd'] as const)(
    'opens in the official reader with its index and checksums (%s)',
    async (compression) => {
      const file = path.join(folder, `${compression}.mcap`);
      const writer = await McapFileWriter.create(file, compression);
      writer.addTopic('/words', 'std_msgs/msg/String', LATCHED_QOS);
      writer.addTopic('/more', 'std_msgs/msg/String', DEFAULT_QOS);
      // More than one chunk, times out of order within one.
      const long = 'x'.repeat(400_000);
      for (let i = 0; i < 9; i++)
        await writer.write(
          i % 2 === 0 ? '/words' : '/more',
          encodeCdr('std_msgs/msg/String', { data: `${i}${long}` }),
          BigInt(100 - i),
          BigInt(i),
        );
      await writer.commit();
      const handle = await open(file);
      const reader = await McapIndexedReader.Initialize({
        readable: new FileHandleReadable(handle),
        decompressHandlers: await loadDecompressHandlers(),
      });
      expect(reader.header.profile).toBe('ros2');
      expect(reader.statistics).toMatchObject({
        messageCount: 9n,
        schemaCount: 1,
        channelCount: 2,
        messageStartTime: 92n,
        messageEndTime: 100n,
      });
      expect(reader.chunkIndexes.length).toBeGreaterThan(1);
      const times: bigint[] = [];
      for await (const message of reader.readMessages({ validateCrcs: true })) {
        times.push(message.logTime);
        const { topic, schemaId, metadata } = reader.channelsById.get(message.channelId)!;
        const schema = reader.schemasById.get(schemaId)!;
        const definitions = parse(new TextDecoder().decode(schema.data), { ros2: true });
        const { data } = cdrReader(definitions).readMessage<{ data: string }>(message.data);
        expect(data).toBe(`${100n - message.logTime}${long}`);
        expect(metadata.get('offered_qos_profiles')).toMatch(topic === '/words' ? 'transient_local' : 'volatile');
      }
      expect(times).toEqual([92n, 93n, 94n, 95n, 96n, 97n, 98n, 99n, 100n]);
      // One topic alone is found through the message index.
      let more = 0;
      for await (const message of reader.readMessages({ topics: ['/more'] })) more += Number(message.publishTime % 2n);
      expect(more).toBe(4);
      await handle.close();
    },
  );

  it('names ROS 2 time as ROS 2 does', async () => {
    const recording = await open(tabletop);
    const reader = await McapIndexedReader.Initialize({ readable: new FileHandleReadable(recording) });
    for (const schema of reader.schemasById.values()) {
      const text = new TextDecoder().decode(schema.data);
      expect(text).not.toMatch(/^(time|duration) /m);
      if (schema.name !== 'std_msgs/msg/String') expect(text).toContain('MSG: builtin_interfaces/Time');
    }
    await recording.close();
  });

  it('stands under its name only when it is whole', async () => {
    const file = path.join(folder, 'unfinished.mcap');
    const writer = await McapFileWriter.create(file, 'none');
    expect(await readdir(folder)).toContain('unfinished.mcap.partial');
    await writer.abort();
    expect((await readdir(folder)).filter((name) => name.startsWith('unfinished'))).toEqual([]);
    await expect(McapFileWriter.create(path.join(folder, 'nowhere', 'x.mcap'), 'none')).rejects.toThrow('cannot write');
  });
});

describe('a recording that is played and recorded again', () => {
  it('comes out message for message', async () => {
    const copy = path.join(folder, 'copy.mcap');
    const original = await McapRecording.open(tabletop);
    const bus = new MemoryBus(new VirtualClock(original.timeRange![0]));
    const recorder = await Recorder.create(bus, copy, 'zstd');
    for (const { topic, type } of original.topics) recorder.record(topic, type as 'std_msgs/msg/String');
    const { messages } = await play(original, bus, { settle: () => recorder.settle() });
    await recorder.commit();
    expect(messages).toBe(written);
    const all = async (recording: McapRecording): Promise<string[]> => {
      const lines: string[] = [];
      for await (const m of recording.messages())
        lines.push(
          `${m.topic} ${m.logTime} ${Buffer.from(m.content as Uint8Array)
            .toString('base64')
            .slice(0, 200)}`,
        );
      return lines;
    };
    expect(await all(await McapRecording.open(copy))).toEqual(await all(original));
  });

  it('keeps time on the virtual clock and plays a part of it, latched topics included', async () => {
    const recording = await McapRecording.open(tabletop);
    const bus = new MemoryBus(new VirtualClock(recording.timeRange![0]));
    const seen: [string, bigint][] = [];
    bus.subscribe('/instruction', 'std_msgs/msg/String').subscribe((m) => seen.push(['instruction', m.receivedAt]));
    bus.subscribe('/joint_states', 'sensor_msgs/msg/JointState').subscribe((m) => seen.push(['joints', m.receivedAt]));
    await play(recording, bus, { settle: () => undefined, fromS: 0.5, durationS: 0.3 });
    const start = recording.timeRange![0];
    expect(seen[0]).toEqual(['instruction', start + 500_000_000n]);
    const joints = seen.filter(([what]) => what === 'joints').map(([, at]) => Number(at - start) / 1e9);
    expect(Math.min(...joints)).toBeGreaterThanOrEqual(0.5);
    expect(Math.max(...joints)).toBeLessThanOrEqual(0.8);
    expect(joints).toHaveLength(5);
  });

  it('stops at once when it is cancelled', async () => {
    const recording = await McapRecording.open(tabletop);
    const controller = new AbortController();
    controller.abort();
    await expect(
      play(recording, new MemoryBus(new VirtualClock()), { settle: () => undefined, signal: controller.signal }),
    ).rejects.toThrow('cancelled');
  });

  it('gives what a cut file holds, at every place it may be cut', async () => {
    const { size } = await stat(tabletop);
    for (const share of [0.05, 0.3, 0.5, 0.77, 0.99]) {
      const cut = path.join(folder, 'cut.mcap');
      await copyFile(tabletop, cut);
      await truncate(cut, Math.floor(size * share));
      const recording = await McapRecording.open(cut);
      let count = 0;
      for await (const { logTime } of recording.messages()) count += logTime > 0n ? 1 : 0;
      expect(count).toBeLessThanOrEqual(written);
      expect(recording.problems.map((p) => p.code)).toContain('mcap.truncated');
    }
  });
});
