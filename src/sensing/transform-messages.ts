import type { TFMessage } from '../bus/messages.js';
import { fromTimeMessage } from '../core/time.js';
import type { StampedTransform } from '../geometry/tf-buffer.js';

/** The transforms of a message, unchecked; the buffer refuses what is none. */
export function stampedTransforms({ transforms }: TFMessage): readonly StampedTransform[] {
  return transforms.map(({ header, child_frame_id: child, transform: { translation: t, rotation: r } }) => ({
    parent: header.frame_id,
    child,
    stamp: fromTimeMessage(header.stamp),
    transform: { translation: [t.x, t.y, t.z], rotation: [r.x, r.y, r.z, r.w] },
  }));
}
