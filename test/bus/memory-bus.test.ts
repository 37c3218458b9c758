import { describe, expect, it } from '@jest/globals';
import { take, toArray, firstValueFrom } from 'rxjs';
import { MemoryBus } from '../../src/bus/memory/memory-bus.js';
import { RealClock } from '../../src/bus/memory/real-clock.js';
import { VirtualClock } from '../../src/bus/memory/virtual-clock.js';
import { describeBusContract } from './bus-contract.js';

const delivered = (): Promise<void> => Promise.resolve();
describeBusContract('memory, virtual clock', () =>
  Promise.resolve({ bus: new MemoryBus(new VirtualClock()), settle: delivered }),
);
describeBusContract('memory, real clock', () =>
  Promise.resolve({ bus: new MemoryBus(new RealClock()), settle: delivered }),
);

describe('the memory bus', () => {
  it('keeps the order of publication when a subscriber publishes while it is served', () => {
    const bus = new MemoryBus(new VirtualClock());
    const publisher = bus.advertise('/t', 'std_msgs/msg/String');
    const seen: string[] = [];
    bus.subscribe('/t', 'std_msgs/msg/String').subscribe(({ message }) => {
      if (message.data === 'first') publisher.publish({ data: 'answer' });
    });
    bus.subscribe('/t', 'std_msgs/msg/String').subscribe(({ message }) => seen.push(message.data));
    publisher.publish({ data: 'first' });
    expect(seen).toEqual(['first', 'answer']);
  });

  it('refuses use after it was closed', async () => {
    const bus = new MemoryBus(new VirtualClock());
    const publisher = bus.advertise('/t', 'std_msgs/msg/String');
    await bus.close();
    expect(() => {
      publisher.publish({ data: 'x' });
    }).toThrow('closed');
  });
});

describe('the virtual clock', () => {
  it('fires timers at their due times, those due together in the order they were made', async () => {
    const clock = new VirtualClock(100n);
    const log: string[] = [];
    void clock.sleepUntil(150n).then(() => log.push(`slept at ${clock.now()}`));
    clock.every(20n).subscribe((due) => log.push(`tick ${due} at ${clock.now()}`));
    clock.every(40n).subscribe((due) => log.push(`slow ${due}`));
    clock.advanceTo(145n);
    expect(log).toEqual(['tick 120 at 120', 'slow 140', 'tick 140 at 140']);
    clock.advanceTo(200n);
    await Promise.resolve();
    expect(log).toContain('slept at 200');
  });

  it('reports a jump back, and starts its rates again from there', () => {
    const clock = new VirtualClock(1000n);
    const jumps: bigint[] = [];
    const ticks: bigint[] = [];
    clock.jumps.subscribe((by) => jumps.push(by));
    clock.every(100n).subscribe((due) => ticks.push(due));
    clock.advanceTo(1150n);
    clock.advanceTo(500n);
    clock.advanceTo(650n);
    expect(jumps).toEqual([-650n]);
    expect(ticks).toEqual([1100n, 600n]);
  });

  it('passes over what lies before a jump forward: rates start again, sleepers wake, and time never goes back', async () => {
    const clock = new VirtualClock(0n);
    const ticks: bigint[] = [];
    clock.every(100n).subscribe((due) => ticks.push(due));
    const woken = clock.sleepUntil(500n).then(() => clock.now());
    clock.advanceTo(150n);
    clock.jumpTo(10_000n);
    clock.advanceTo(10_150n);
    expect(ticks).toEqual([100n, 10_100n]);
    expect(await woken).toBeGreaterThanOrEqual(10_000n);
  });

  it('cancels who waits when it is closed', async () => {
    const clock = new VirtualClock();
    const waiting = clock.sleepUntil(10n);
    clock.close();
    await expect(waiting).rejects.toThrow('cancelled');
  });
});

describe('the real clock', () => {
  it('ticks at its rate and sleeps no less than asked', async () => {
    const clock = new RealClock();
    const start = clock.now();
    await clock.sleepUntil(start + 20_000_000n);
    expect(clock.now() - start).toBeGreaterThanOrEqual(20_000_000n);
    const ticks = await firstValueFrom(clock.every(5_000_000n).pipe(take(3), toArray()));
    expect(ticks[2]! - ticks[0]!).toBeGreaterThan(5_000_000n);
    clock.close();
  });
});
