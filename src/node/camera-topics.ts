import type { MessageType } from '../bus/messages.js';
import { ConfigurationError } from '../core/errors.js';
import type { PictureFacts } from '../sensing/picture-facts.js';
import { depthOf } from './depth-topic.js';
import { ambiguousCamera, preferredTransports, type ImageType, type PictureTopic } from './picture-topic.js';
import { cameraNameOf, isRectified, namesDepth, namesOtherMeasurement, pictureName } from './picture-name.js';

/** Where one camera's messages are. */
export interface CameraTopics {
  readonly camera: string;
  readonly color: { readonly topic: string; readonly type: ImageType };
  readonly info: string;
  /** Aligned to the colour image; null for a camera without depth. */
  readonly depth: { readonly topic: string; readonly type: ImageType } | null;
  readonly rectified: boolean;
  /** Optical frame, in place of the one in the headers of its pictures. */
  readonly frame?: string;
}

/** A topic of a recording or of a graph. What is not known is left out. */
export interface Topic {
  readonly topic: string;
  readonly type: string;
  /** Messages on it; a topic without any is as good as none. */
  readonly count?: number;
  readonly picture?: PictureFacts;
}

/** What the configuration says of one camera, `cameras.NAME`; what it leaves out is found. Null leaves the whole camera out. */
export interface ChosenCamera {
  readonly color?: string | undefined;
  /** Null for a camera whose depth is not to be used. */
  readonly depth?: string | null | undefined;
  readonly info?: string | undefined;
}

/**
 * Cameras among the topics of a recording or graph: every colour picture with a CameraInfo beside it, and the depth picture that belongs to it.
 * Pictures are told apart by their encoding where it is known, and by the names that drivers use where it is not. Depth belongs to the colour of its
 * own namespace; of several, to the one of the same frame and size.
 * @param chosen what the configuration says, by the camera's name.
 * @throws InputError `camera.ambiguous` where two topics would do, with both and the line of the configuration that chooses; ConfigurationError
 * `camera.topic` where a chosen topic is not there.
 */
export function findCameras(
  topics: readonly Topic[],
  chosen: Readonly<Record<string, ChosenCamera | null>> = {},
): readonly CameraTopics[] {
  const alive = topics.filter(({ count }) => count !== 0);
  const infos = new Set(
    alive.filter((t) => t.type === ('sensor_msgs/msg/CameraInfo' satisfies MessageType)).map((t) => t.topic),
  );
  const pictures = alive.flatMap((topic): readonly PictureTopic[] =>
    topic.type === 'sensor_msgs/msg/Image' || topic.type === 'sensor_msgs/msg/CompressedImage'
      ? [{ topic: topic.topic, type: topic.type, name: pictureName(topic.topic), picture: topic.picture ?? null }]
      : [],
  );
  const choices = Object.entries(chosen).flatMap(([name, choice]) => (choice ? [{ name, ...choice }] : []));
  for (const { name: camera, color, depth, info } of choices) {
    const known = pictures.map(({ topic }) => topic);
    if (color !== undefined) requireTopic(`cameras.${camera}.color`, color, known);
    if (depth !== undefined && depth !== null) requireTopic(`cameras.${camera}.depth`, depth, known);
    if (info !== undefined) requireTopic(`cameras.${camera}.info`, info, [...infos]);
  }
  const depths = pictures.filter(isDepth);
  const taken = new Set(choices.map(({ color }) => color));
  const found = preferredTransports(pictures.filter(isColor), 'color')
    .filter(({ topic }) => !taken.has(topic))
    .flatMap((color) => {
      const name = cameraNameOf(color.name);
      const info = chosen[name]?.info ?? infoBeside(color.name.base, infos);
      // A camera whose colour the configuration chooses is not found a second time.
      const isChosen = chosen[name] === null || chosen[name]?.color !== undefined;
      return info === undefined || isChosen ? [] : [{ name, color, info }];
    });
  refuseSameNames(found);
  const named = choices.flatMap(({ name, color: topic, info: given }) => {
    const color = pictures.find((picture) => picture.topic === topic);
    const info = color && (given ?? infoBeside(color.name.base, infos));
    if (color && info === undefined) throw noInfo(name, color.topic);
    return color && info !== undefined ? [{ name, color, info }] : [];
  });
  return [...named, ...found].map(({ name, color, info }) => {
    const choice = chosen[name]?.depth;
    const depth =
      choice === undefined ? depthOf(name, color, depths) : pictures.find((picture) => picture.topic === choice);
    return {
      camera: name,
      color: { topic: color.topic, type: color.type },
      info,
      depth: depth ? { topic: depth.topic, type: depth.type } : null,
      rectified: isRectified(color.name),
    };
  });
}

function isDepth({ name, picture }: PictureTopic): boolean {
  if (namesOtherMeasurement(name)) return false;
  if (!picture) return namesDepth(name);
  // Sixteen bits of grey are brightness, unless the name says that they are depth.
  if (picture.encoding.startsWith('mono16')) return picture.content === 'depth' && namesDepth(name);
  return picture.content === 'depth';
}

function isColor({ name, picture }: PictureTopic): boolean {
  // A picture of depth in false colours is neither.
  return picture ? picture.content === 'color' && !namesDepth(name) : !namesDepth(name);
}

function infoBeside(base: string, infos: ReadonlySet<string>): string | undefined {
  const parent = base.slice(0, base.lastIndexOf('/'));
  return [`${parent}/camera_info`, `${base}/camera_info`].find((candidate) => infos.has(candidate));
}

function refuseSameNames(found: readonly { readonly name: string; readonly color: PictureTopic }[]): void {
  for (const { name } of found) {
    const same = found.filter((other) => other.name === name).map(({ color }) => color.topic);
    if (same.length > 1)
      throw ambiguousCamera(`the camera "${name}" has ${same.length} colour pictures`, same, `cameras.${name}.color`);
  }
}

function requireTopic(line: string, topic: string, known: readonly string[]): void {
  if (known.includes(topic)) return;
  throw new ConfigurationError({
    code: 'camera.topic',
    message: `${line} is ${topic}, on which there are no messages (there are: ${known.join(', ') || 'none of this kind'})`,
    remedy: 'name one of them',
  });
}

function noInfo(camera: string, color: string): ConfigurationError {
  return new ConfigurationError({
    code: 'camera.topic',
    message: `no CameraInfo lies beside ${color}, the colour picture of the camera "${camera}"`,
    remedy: `name its topic with a line in the configuration: cameras.${camera}.info: TOPIC`,
  });
}
