import { describe, expect, it } from '@jest/globals';
import { firstValueFrom, take, toArray } from 'rxjs';
import { SystemClock } from '../../src/bus/ros/system-clock.js';
import { fromSeconds } from '../../src/core/time.js';

describe('the clock of the system', () => {
  it('reports that it was set, by how much, and not that it is slewed', () => {
    let [system, monotonic] = [fromSeconds(1000), 0n];
    const clock = new SystemClock(
      () => system,
      () => monotonic,
    );
    const jumps: bigint[] = [];
    clock.jumps.subscribe((by) => jumps.push(by));
    const pass = (seconds: number, setBy: number): void => {
      monotonic += fromSeconds(seconds);
      system += fromSeconds(seconds + setBy);
      clock.now();
    };
    // 0.5 ms a second is the most that NTP slews (adjtime).
    for (let second = 0; second < 1000; second++) pass(1, 0.0005);
    expect(jumps).toEqual([]);
    pass(1, -3600);
    pass(1, 0);
    pass(1, 0.2);
    expect(jumps).toEqual([fromSeconds(-3600), fromSeconds(0.2)]);
  });

  it('keeps its rate: ticks that are late are not added up', async () => {
    const clock = new SystemClock(() => process.hrtime.bigint());
    const start = process.hrtime.bigint();
    const period = fromSeconds(1 / 150);
    const ticks = await firstValueFrom(clock.every(period).pipe(take(30), toArray()));
    // Whole milliseconds would lose 0.67 ms of every 6.67, 20 ms in 30 ticks.
    expect(Number(ticks[29]! - start) / 1e6).toBeGreaterThanOrEqual(200);
    clock.close();
  });

  it('leaves out the ticks that a busy process misses', async () => {
    const clock = new SystemClock(() => process.hrtime.bigint());
    const ticks = firstValueFrom(clock.every(fromSeconds(0.01)).pipe(take(3), toArray()));
    const busyUntil = process.hrtime.bigint() + fromSeconds(0.055);
    while (process.hrtime.bigint() < busyUntil);
    const [first, second] = await ticks;
    expect(Number(second! - first!) / 1e6).toBeGreaterThan(1);
    clock.close();
  });

  it('cancels who sleeps when it is closed', async () => {
    const clock = new SystemClock(() => process.hrtime.bigint());
    const waiting = clock.sleepUntil(clock.now() + fromSeconds(10));
    clock.close();
    await expect(waiting).rejects.toThrow('cancelled');
  });
});
