import type { NodeConfig } from '../assembly/config/node-config.js';
import type { ModelSource } from '../assembly/model-source.js';
import type { World, WorldTopic } from '../assembly/world.js';
import type { MemoryBus } from '../bus/memory/memory-bus.js';
import type { VirtualClock } from '../bus/memory/virtual-clock.js';
import { toSeconds } from '../core/time.js';
import { TruthForecaster } from '../forecasting/truth.js';
import { ClipRecording } from '../recordings/clip-recording.js';
import { replayQos } from '../recordings/player.js';
import type { Recording } from '../recordings/recording.js';

/** A recording that is played onto a bus, as the stages see it. @param addedLatencyS seconds by which chunks are later than is configured. */
export function recordingWorld(
  recording: Recording,
  bus: MemoryBus<VirtualClock>,
  models: ModelSource,
  addedLatencyS: () => number,
): World {
  const start = bus.clock.now();
  // What a monotonic clock would tell: jumps of the other one are taken out.
  let jumped = 0n;
  bus.clock.jumps.subscribe((by) => {
    jumped += by;
  });
  const { tracks } = recording;
  return {
    bus,
    monotonicS: () => toSeconds(bus.clock.now() - jumped - start),
    topics: recordedTopics(recording),
    models,
    isCommanded: false,
    chunkDelayS: (latencyS) => latencyS + addedLatencyS(),
    tracks,
    clip: recording instanceof ClipRecording ? recording.facts : null,
    truth: tracks && {
      forecaster: ({ steps, historySize }) => Promise.resolve(new TruthForecaster(tracks, steps, historySize)),
      maskOf: null,
    },
  };
}

/** Topics of a recording that can be played, with the QoS that its publishers had. */
export function recordedTopics({ topics }: Pick<Recording, 'topics'>): readonly WorldTopic[] {
  return topics
    .filter(({ usable }) => usable)
    .map(({ latched, ...topic }) => ({ ...topic, qos: replayQos(topic.topic, latched) }));
}

/** The task that a recording carries outside its messages holds, unless the configuration says another. */
export function withRecordedTask(config: NodeConfig, { instruction }: Pick<Recording, 'instruction'>): NodeConfig {
  return { ...config, instruction: { text: config.instruction.text ?? instruction } };
}
