import { createHash } from 'node:crypto';
import { expect, it } from '@jest/globals';
import { decodeCdr } from '../../src/bus/cdr.js';
import type {
  CameraInfo,
  CompressedImage,
  Image,
  JointStateMessage,
  MessageType,
  StringMessage,
  TFMessage,
} from '../../src/bus/messages.js';
import { PlannerError } from '../../src/core/errors.js';
import type { Quaternion, Vector3 } from '../../src/core/vector.js';
import { fromTimeMessage } from '../../src/core/time.js';
import { TfBuffer } from '../../src/geometry/tf-buffer.js';
import { matrixRows } from '../geometry/matrix-rows.js';
import { McapRecording } from '../../src/recordings/mcap/mcap-recording.js';
import type { RecordedMessage } from '../../src/recordings/recording.js';
import { cameraModelOf, checkImageSize } from '../../src/sensing/camera-info.js';
import { decodeColorImage, decodeCompressedColor } from '../../src/sensing/color-image.js';
import { decodeCompressedDepth, decodeDepthImage } from '../../src/sensing/depth-image.js';
import { findArmJoints, readJoints } from '../../src/sensing/joint-states.js';
import { describeShared, sharedJson, sharedPath } from '../golden/shared.js';

async function readAll(file: string): Promise<{ recording: McapRecording; messages: RecordedMessage[] }> {
  const recording = await McapRecording.open(sharedPath('golden/mcap', file));
  const messages: RecordedMessage[] = [];
  for await (const message of recording.messages()) messages.push(message);
  await recording.close();
  return { recording, messages };
}

const decoded = (m: RecordedMessage): any =>
  m.content instanceof Uint8Array ? decodeCdr(m.type, m.content) : m.content;

const sha = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex');

describeShared('MCAP recordings of the reference', 'golden/mcap/expected.json', () => {
  const expected = sharedJson<Record<string, any>>('golden/mcap/expected.json');

  it.each(Object.entries(expected).map(([file, e]) => [file, e]))('%s', async (file, e: any) => {
    if (e.must_fail) {
      await expect(readAll(file)).rejects.toThrow(PlannerError);
      return;
    }
    const { recording, messages } = await readAll(file);
    if (e.from_file) {
      const codes = recording.problems.map((p) => p.code);
      expect(codes).toContain(file.startsWith('crc') ? 'mcap.crc' : 'mcap.truncated');
      if (e.readable_messages !== undefined) {
        expect(messages).toHaveLength(e.readable_messages);
        const counts: Record<string, number> = {};
        for (const m of messages) counts[m.topic] = (counts[m.topic] ?? 0) + 1;
        expect(counts).toEqual(e.readable_per_topic);
      }
      return;
    }
    const unusable = Object.values<any>(e.topics).filter((t) => t.usable === false);
    expect(messages).toHaveLength(e.message_count - unusable.reduce((n, t) => n + t.count, 0));
    expect(recording.problems.filter((p) => p.code === 'mcap.channel')).toHaveLength(unusable.length);
    if (e.message_count === 0) {
      expect(recording.timeRange).toBeNull();
      return;
    }
    if (e.start_log_time) expect(recording.timeRange).toEqual([BigInt(e.start_log_time), BigInt(e.end_log_time)]);
    if (e.replay_order_topics) expect(messages.map((m) => m.topic)).toEqual(e.replay_order_topics);
    for (const [topic, t] of Object.entries<any>(e.topics)) {
      expect(recording.topics.find((r) => r.topic === topic)?.count).toBe(t.count);
      if (t.usable === false) continue;
      const own = messages.filter((m) => m.topic === topic);
      expect(own).toHaveLength(t.count);
      for (const [i, em] of (t.messages ?? []).entries()) {
        const m = own[i]!;
        expect(m.logTime).toBe(BigInt(em.log_time));
        expect(m.publishTime).toBe(BigInt(em.publish_time));
        await checkMessage(m.type, decoded(m), em, topic);
      }
    }
    if (e.tf_lookups) checkLookups(messages, e.tf_lookups);
  });

  it('standard_none, _zstd, _lz4 and the rosbag2 directory hold the same bytes', async () => {
    const digest = async (file: string): Promise<string[]> =>
      (await readAll(file)).messages.map((m) => sha(JSON.stringify(decoded(m))));
    const first = await digest('standard_none.mcap');
    expect(first.length).toBeGreaterThan(0);
    for (const file of [
      'standard_zstd.mcap',
      'standard_lz4.mcap',
      'rosbag2_rosbags_writer',
      'no_index_unchunked.mcap',
      'chunked_no_summary.mcap',
    ]) {
      expect(await digest(file)).toEqual(first);
    }
  });
});

async function checkMessage(type: MessageType, message: any, e: any, topic: string): Promise<void> {
  const f = e.fields;
  if (f.stamp) expect([message.header.stamp.sec, message.header.stamp.nanosec]).toEqual(f.stamp);
  if (f.frame_id !== undefined) expect(message.header.frame_id).toBe(f.frame_id);
  if (f.data_sha256) expect(sha(message.data)).toBe(f.data_sha256);
  switch (type) {
    case 'std_msgs/msg/String': {
      const { data } = message as StringMessage;
      expect(Array.from(data)).toHaveLength(f.length);
      expect(sha(data)).toBe(f.sha256);
      return;
    }
    case 'sensor_msgs/msg/Image':
      await checkPixels(message as Image, e, topic);
      return;
    case 'sensor_msgs/msg/CompressedImage':
      expect((message as CompressedImage).format).toBe(f.format);
      await checkPixels(message as CompressedImage, e, topic);
      return;
    case 'sensor_msgs/msg/CameraInfo':
      checkCamera(message as CameraInfo, e, topic);
      return;
    case 'sensor_msgs/msg/JointState':
      checkJoints(message as JointStateMessage, e);
      return;
    case 'tf2_msgs/msg/TFMessage':
      expect(
        (message as TFMessage).transforms.map((t) => ({
          stamp: [t.header.stamp.sec, t.header.stamp.nanosec],
          parent: t.header.frame_id,
          child: t.child_frame_id,
          translation: [t.transform.translation.x, t.transform.translation.y, t.transform.translation.z],
          rotation_xyzw: [
            t.transform.rotation.x,
            t.transform.rotation.y,
            t.transform.rotation.z,
            t.transform.rotation.w,
          ],
        })),
      ).toEqual(JSON.parse(JSON.stringify(f.transforms), (_key, value) => (value === 'NaN' ? Number.NaN : value)));
      return;
    default:
      throw new Error(`the reference has a ${type} that this test does not check`);
  }
}

async function checkPixels(image: Image | CompressedImage, e: any, topic: string): Promise<void> {
  const raw = 'encoding' in image;
  const color = (): Promise<any> =>
    raw ? Promise.resolve().then(() => decodeColorImage(image)) : decodeCompressedColor(image);
  const scale = e.depth_scale_m ?? 0.001;
  const depth = async (s: number): Promise<any> =>
    raw ? decodeDepthImage(image, s) : await decodeCompressedDepth(image, s);
  if (e.must_fail) {
    const isDepth = !raw && /depth/i.test(image.format);
    await expect(isDepth ? depth(scale) : color()).rejects.toThrow(PlannerError);
    return;
  }
  if (topic === '/8UC3') {
    await expect(color()).rejects.toThrow('8UC3');
    return;
  }
  const rgb = e.rgb_pixels ? await color() : null;
  for (const p of e.rgb_pixels ?? []) {
    const { data, width } = rgb;
    for (let c = 0; c < 3; c++)
      expect(Math.abs(data[(p.y * width + p.x) * 3 + c] - p.value[c])).toBeLessThanOrEqual(e.tolerance ?? 0);
  }
  const inverse = !raw && image.format.startsWith('32FC1');
  const integers = e.raw_pixels && !inverse ? await depth(1) : null;
  for (const p of integers ? e.raw_pixels : []) {
    const { data, width } = integers;
    const value = data[p.y * width + p.x];
    expect(Number.isNaN(value) ? 0 : value).toBe(p.value);
  }
  const metres = e.depth_m_pixels ? await depth(scale) : null;
  for (const p of e.depth_m_pixels ?? []) {
    const { data, width } = metres;
    const value = data[p.y * width + p.x];
    if (p.value === 'invalid') expect(value).toBeNaN();
    else expect(Math.abs(value - p.value)).toBeLessThanOrEqual(Math.max(e.tolerance ?? 0, 1e-6));
  }
}

function checkCamera(info: CameraInfo, e: any, topic: string): void {
  expect(Array.from(info.k)).toEqual(e.fields.k);
  expect(Array.from(info.d)).toEqual(e.fields.d);
  expect(Array.from(info.p)).toEqual(e.fields.p);
  if (e.must_refuse) {
    expect(() => cameraModelOf(info, false)).toThrow(PlannerError);
    return;
  }
  const { intrinsics } = cameraModelOf(info, false);
  if (e.effective_K) {
    expect([intrinsics.width, intrinsics.height]).toEqual([e.effective_width, e.effective_height]);
    expect([intrinsics.fx, intrinsics.fy, intrinsics.cx, intrinsics.cy]).toEqual([
      e.effective_K[0],
      e.effective_K[4],
      e.effective_K[2],
      e.effective_K[5],
    ]);
  }
  if (topic.startsWith('/rectified')) {
    const p = cameraModelOf(info, true);
    expect([p.intrinsics.fx, p.intrinsics.cx]).toEqual([e.fields.p[0], e.fields.p[2]]);
    expect(p.project([0.1, 0, 1])![0]).toBeCloseTo(e.fields.p[0] * 0.1 + e.fields.p[2], 9);
  }
  if (topic.startsWith('/wrong_size')) {
    expect(() => {
      checkImageSize(cameraModelOf(info, false), 640, 480, 'the image');
    }).toThrow('320x240');
  }
}

function checkJoints(message: JointStateMessage, e: any): void {
  const names = e.arm_joint_names ?? Array.from({ length: 7 }, (_, i) => `fr3_joint${i + 1}`);
  if (e.must_refuse) {
    expect(() => readJoints(message, names)).toThrow(PlannerError);
    return;
  }
  expect(findArmJoints(message.name)).toEqual(names);
  const joints = readJoints(message, names);
  expect(joints.positions).toEqual(e.arm_position);
  if (e.arm_velocity !== undefined) expect(joints.velocities).toEqual(e.arm_velocity);
}

function checkLookups(messages: readonly RecordedMessage[], lookups: any): void {
  const buffer = new TfBuffer();
  for (const m of messages) {
    if (m.type !== 'tf2_msgs/msg/TFMessage') continue;
    for (const t of (decoded(m) as TFMessage).transforms) {
      const { translation: p, rotation: q } = t.transform;
      const step = {
        parent: t.header.frame_id,
        child: t.child_frame_id,
        stamp: fromTimeMessage(t.header.stamp),
        transform: { translation: [p.x, p.y, p.z] as Vector3, rotation: [q.x, q.y, q.z, q.w] as Quaternion },
      };
      const valid = [p.x, p.y, p.z, q.x, q.y, q.z, q.w].every(Number.isFinite) && Math.hypot(q.x, q.y, q.z, q.w) > 0;
      if (valid) buffer.set(step, m.topic === '/tf_static');
      else
        expect(() => {
          buffer.set(step, false);
        }).toThrow('is not a transform');
    }
  }
  for (const at of lookups.at) {
    for (const [target, matrix] of [
      [at.target, at.matrix],
      ['world', at.world_matrix],
    ]) {
      const actual = matrixRows(buffer.lookup(target, at.source, BigInt(at.time)));
      actual
        .slice(0, 3)
        .flat()
        .forEach((value, i) => {
          expect(value).toBeCloseTo(matrix.flat()[i], 9);
        });
    }
  }
  expect(lookups.must_fail.length).toBeGreaterThan(0);
  for (const fail of lookups.must_fail) {
    expect(() =>
      buffer.lookup(fail.target ?? 'fr3_link0', fail.source ?? 'camera_color_optical_frame', BigInt(fail.time)),
    ).toThrow(PlannerError);
  }
}
