import { describe, expect, it } from '@jest/globals';
import { MemoryBus } from '../../src/bus/memory/memory-bus.js';
import { VirtualClock } from '../../src/bus/memory/virtual-clock.js';
import { IDENTITY } from '../../src/geometry/transform.js';
import { AgreementMonitor } from '../../src/node/agreement-monitor.js';

const chunk = { planner: 'test', stamp: 0n, stepS: 0.1, instruction: '', steps: [[0, -0.7, 0, -2.3, 0, 1.57, 0, 0]] };

function monitor(gateM: number | null, isHeld: boolean): AgreementMonitor {
  return new AgreementMonitor(new MemoryBus(new VirtualClock(0n)), {
    topic: '/agreement',
    tool: IDENTITY,
    gateM,
    isHolding: () => isHeld,
  });
}

describe('a chunk without a forecast to compare it with', () => {
  it('is not executed while the object is held and a gate is configured', () => {
    expect(() => monitor(0.05, true).compare(chunk)).toThrow(/no valid forecast of this time tells where it should go/);
  });
  it('is executed while nothing is held, or without a gate', () => {
    expect(monitor(0.05, false).compare(chunk)).toBeNull();
    expect(monitor(null, true).compare(chunk)).toBeNull();
  });
});
