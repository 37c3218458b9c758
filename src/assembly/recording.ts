import { DEFAULT_QOS } from '../bus/bus.js';
import { isKnownType } from '../bus/definitions.js';
import { OUTPUT_ROLES, OUTPUT_TYPES } from '../node/topics.js';
import { Recorder } from '../recordings/recorder.js';
import type { NodeConfig } from './config/node-config.js';
import type { World } from './world.js';

/** Records everything that is heard and said, where the configuration asks for it. @throws OutputError where the file cannot be written. */
export async function openRecorder({ recording, topics }: NodeConfig, world: World): Promise<Recorder | null> {
  if (recording.file === null) return null;
  const recorder = await Recorder.create(world.bus, recording.file, recording.compression);
  const own: ReadonlySet<string> = new Set(OUTPUT_ROLES.map((role) => topics[role]));
  for (const { topic, type, qos } of world.topics) {
    const name = type.includes('/msg/') ? type : type.replace('/', '/msg/');
    if (qos !== null && isKnownType(name) && !own.has(topic)) recorder.record(topic, name, qos);
  }
  for (const role of OUTPUT_ROLES) recorder.record(topics[role], OUTPUT_TYPES[role], DEFAULT_QOS);
  return recorder;
}
