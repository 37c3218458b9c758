import { decodeCdr } from '../../bus/cdr.js';
import type { MessageType, MessageTypes } from '../../bus/messages.js';
import { InputError } from '../../core/errors.js';
import { TfBuffer } from '../../geometry/tf-buffer.js';
import type { RecordedMessage } from '../../recordings/recording.js';
import { cameraModelOf } from '../../sensing/camera-info.js';
import { checkColorImage, decodeCompressedColor } from '../../sensing/color-image.js';
import { checkDepthImage, decodeCompressedDepth } from '../../sensing/depth-image.js';
import { stampedTransforms } from '../../sensing/transform-messages.js';
import { findArmJoints, readJoints } from '../../sensing/joint-states.js';

/** Whether the stages could use a message: raw pictures by their numbers, compressed ones by decoding them. @throws what the stages would refuse with. */
export async function examineMessage(recorded: RecordedMessage): Promise<void> {
  const { topic } = recorded;
  switch (recorded.type) {
    case 'sensor_msgs/msg/Image': {
      const image = messageOf(recorded, 'sensor_msgs/msg/Image');
      if (/depth/i.test(topic) || ['16UC1', '32FC1', 'mono16'].includes(image.encoding)) checkDepthImage(image);
      else checkColorImage(image);
      return;
    }
    case 'sensor_msgs/msg/CompressedImage': {
      const image = messageOf(recorded, 'sensor_msgs/msg/CompressedImage');
      if (/compressedDepth|^(16UC1|32FC1)/.test(image.format)) await decodeCompressedDepth(image);
      else await decodeCompressedColor(image);
      return;
    }
    case 'sensor_msgs/msg/CameraInfo':
      cameraModelOf(messageOf(recorded, 'sensor_msgs/msg/CameraInfo'), false);
      return;
    case 'sensor_msgs/msg/JointState': {
      const message = messageOf(recorded, 'sensor_msgs/msg/JointState');
      readJoints(message, findArmJoints(message.name) ?? []);
      return;
    }
    case 'tf2_msgs/msg/TFMessage': {
      const buffer = new TfBuffer();
      for (const step of stampedTransforms(messageOf(recorded, 'tf2_msgs/msg/TFMessage'))) buffer.set(step, true);
      return;
    }
    default:
      if (recorded.content instanceof Uint8Array) messageOf(recorded, recorded.type);
  }
}

export function messageOf<T extends MessageType>({ topic, content }: RecordedMessage, type: T): MessageTypes[T] {
  if (!(content instanceof Uint8Array)) return content as MessageTypes[T];
  try {
    return decodeCdr(type, content);
  } catch (cause) {
    throw new InputError({
      code: 'message.unreadable',
      message: `a message on ${topic} cannot be read as ${type}`,
      remedy: 'check that its publisher uses the message type of the topic',
      cause,
    });
  }
}
