import { expect, it } from '@jest/globals';
import { MemoryBus } from '../../src/bus/memory/memory-bus.js';
import { VirtualClock } from '../../src/bus/memory/virtual-clock.js';
import { fromSeconds, toTimeMessage } from '../../src/core/time.js';
import { TfBuffer } from '../../src/geometry/tf-buffer.js';
import { Latencies } from '../../src/node/latencies.js';
import { RefusalCounter } from '../../src/node/refusals.js';
import { SensorFeed } from '../../src/node/sensor-feed.js';
import { DEFAULT_TOPICS } from '../../src/node/topics.js';

const ignore = (): void => undefined;

it('joint states that come in another order do not set the arm back, unless the newest was dated into the future', async () => {
  const bus = new MemoryBus(new VirtualClock(fromSeconds(100)));
  const refusals = new RefusalCounter();
  const names = Array.from({ length: 7 }, (_, j) => `fr3_joint${j + 1}`);
  const feed = new SensorFeed(
    bus,
    {
      topics: DEFAULT_TOPICS,
      cameras: [],
      forecastCamera: '',
      window: { frames: 1, stepS: 0.1 },
      arm: { joints: names, ownJoints: names },
      instruction: '',
      maxIntervalS: 0.1,
      depthScaleM: 0.001,
    },
    new TfBuffer(),
    {
      frame: ignore,
      joints: ignore,
      gripper: ignore,
      instruction: ignore,
      click: ignore,
      transform: ignore,
      transformsChanged: ignore,
    },
    refusals,
    new Latencies(),
  );
  const joints = bus.advertise(DEFAULT_TOPICS.joints, 'sensor_msgs/msg/JointState');
  const publish = (seconds: number, first: number): number => {
    joints.publish({
      header: { stamp: toTimeMessage(fromSeconds(seconds)), frame_id: '' },
      name: names,
      position: [first, 0, 0, 0, 0, 0, 0],
      velocity: [],
      effort: [],
    });
    return feed.joints!.positions[0]!;
  };
  expect(publish(100, 0.2)).toBe(0.2);
  expect(publish(99.95, 0.1)).toBe(0.2);
  expect(refusals.list.map(({ code }) => code)).toEqual(['joints.older']);
  expect(publish(100.5, 0.3)).toBe(0.3);
  expect(publish(100.01, 0.4)).toBe(0.4);
  feed.close();
  await bus.close();
});
