import { InputError } from '../core/errors.js';
import type { PictureFacts } from '../sensing/picture-facts.js';
import type { PictureName } from './picture-name.js';

export type ImageType = 'sensor_msgs/msg/Image' | 'sensor_msgs/msg/CompressedImage';

export interface PictureTopic {
  readonly topic: string;
  readonly type: ImageType;
  readonly name: PictureName;
  readonly picture: PictureFacts | null;
}

/** Of the twins that image_transport publishes the raw picture, else the one that loses nothing, else the first. */
export function preferredTransports(
  pictures: readonly PictureTopic[],
  content: 'color' | 'depth',
): readonly PictureTopic[] {
  const rank = ({ type, name: { transport } }: PictureTopic): number => {
    if (type === 'sensor_msgs/msg/Image') return 0;
    return content === 'depth' && transport === 'compressedDepth' ? 1 : 2;
  };
  const byBase = new Map<string, PictureTopic>();
  for (const picture of pictures) {
    const known = byBase.get(picture.name.base);
    if (!known || rank(picture) < rank(known)) byBase.set(picture.name.base, picture);
  }
  return [...byBase.values()];
}

export function ambiguousCamera(what: string, topics: readonly string[], line: string): InputError {
  return new InputError({
    code: 'camera.ambiguous',
    message: `${what}: ${topics.join(' and ')}`,
    remedy: `say which one is meant, with a line in the configuration: ${line}: ${topics[0]!}`,
  });
}
