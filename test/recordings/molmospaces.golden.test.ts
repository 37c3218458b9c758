import path from 'node:path';
import { expect, it } from '@jest/globals';
import type { CameraInfo, Image } from '../../src/bus/messages.js';
import type { Vector3 } from '../../src/core/vector.js';
import { Hdf5File } from '../../src/recordings/molmospaces/hdf5.js';
import { readOverlayTracks } from '../../src/recordings/molmospaces/overlay-tracks.js';
import { policyExample, usableLength } from '../../src/recordings/molmospaces/policy-example.js';
import { readRollout, rolloutKeys } from '../../src/recordings/molmospaces/rollout.js';
import { filesOfCamera } from '../../src/recordings/molmospaces/rollout-files.js';
import { RolloutRecording } from '../../src/recordings/molmospaces/rollout-recording.js';
import { packDepth, unpackDepth } from '../../src/recordings/video/packed-depth.js';
import { VideoReader } from '../../src/recordings/video/video-reader.js';
import { cameraModelOf } from '../../src/sensing/camera-info.js';
import { decodeDepthImage } from '../../src/sensing/depth-image.js';
import { forecastPrompt, trainingAnswer } from '../../src/forecasting/prompt.js';
import { describeShared, sharedJson, sharedPath } from '../golden/shared.js';

const folder = 'golden/molmospaces';
const special = (value: any): any =>
  value === 'Infinity'
    ? Infinity
    : value === '-Infinity'
      ? -Infinity
      : value === 'NaN'
        ? Number.NaN
        : Array.isArray(value)
          ? value.map(special)
          : value && typeof value === 'object'
            ? Object.fromEntries(Object.entries(value).map(([k, v]) => [k, special(v)]))
            : value;

describeShared('MolmoSpaces rollouts of the reference', `${folder}/expected.json`, () => {
  const golden = sharedJson<Record<string, any>>(folder, 'expected.json');
  const houses = Object.entries(golden).filter(([name]) => !name.startsWith('_'));
  const trajectories = houses.flatMap(([house, h]) =>
    Object.entries<any>(h.trajectories).map(([key, t]) => [`${house} (${h.kind}) ${key}`, house, h, key, t] as const),
  );
  const h5 = (house: string, h: any): string => sharedPath(folder, 'val', house, h.h5);

  it.each(trajectories)('%s: rows, pairs and camera parameters', async (_n, house, h, key, t) => {
    const file = await Hdf5File.open(h5(house, h));
    try {
      expect(rolloutKeys(file)).toEqual(Object.keys(h.trajectories));
      expect([...file.keys()].sort()).toEqual([...h.root_keys].sort());
      const rollout = readRollout(file, key);
      expect(rollout.steps).toBe(t.steps);
      expect(rollout.taskDescription).toBe(t.task_description);
      expect(rollout.stepS * 1000).toBe(t.policy_dt_ms);
      expect(rollout.success).toEqual(t.success);
      expect(rollout.phases).toEqual(t.policy_phase);
      expect(Object.fromEntries(Object.entries(rollout.phaseNames).map(([id, name]) => [name, Number(id)]))).toEqual(
        t.policy_phases,
      );
      for (const [name, shape] of Object.entries<any>(t.datasets))
        if (name !== 'obs_scene') expect([name, file.shape(`${key}/${name}`)]).toEqual([name, shape.shape]);
      for (const [name, rows] of Object.entries<any>(t.rows)) {
        if (name.endsWith(' raw')) continue;
        const decoded = file.jsonRows(`${key}/${name}`)!;
        for (const [row, value] of Object.entries(rows))
          expect([name, row, decoded.values[Number(row)] ?? null]).toEqual([name, row, special(value)]);
        expect(decoded.undecodable).toEqual(t.undecodable_rows[name] ?? []);
      }
      for (const [name, rows] of Object.entries<any>(t.undecodable_rows))
        expect(file.jsonRows(`${key}/${name}`)!.undecodable).toEqual(rows);
      for (const pair of t.pairs) {
        if (pair.qpos) expect(rollout.qpos.values[pair.observation_row]).toEqual(pair.qpos);
        if (pair.joint_pos) expect(rollout.jointPos.values[pair.action_row]).toEqual(pair.joint_pos);
        expect(pair.action_row).toBe(pair.observation_row + 1);
      }
      expect(usableLength(rollout)).toBe(t.supervised_pairs.count);
      expect(rollout.cameras.map((c) => c.name).sort()).toEqual(Object.keys(t.cameras).sort());
      for (const camera of rollout.cameras) {
        const e = t.cameras[camera.name];
        expect([camera.width, camera.height]).toEqual(e.sensor_resolution_wh);
        expect(camera.intrinsics[0]).toEqual(e.intrinsic_cv.flat());
        for (const [row, pose] of Object.entries(e.extrinsic_cv))
          expect(camera.worldToCamera[Number(row)]).toEqual(pose);
        const files = filesOfCamera(file.path, rollout, camera.name);
        if (e.video && !h.video_faults?.[key]?.[camera.name])
          expect(path.basename(files.color!)).toBe(path.basename(e.video));
        if (e.video_depth) expect(path.basename(files.depth!)).toBe(path.basename(e.video_depth));
      }
    } finally {
      file.close();
    }
  });

  it.each(trajectories)('%s: pictures, depth and geometry as messages', async (_n, house, h, key, t) => {
    const recording = await RolloutRecording.open(h5(house, h), Number(key.slice(5)));
    const wanted = new Map<string, any>();
    for (const [camera, c] of Object.entries<any>(t.cameras))
      for (const f of c.frames) wanted.set(`${camera} ${f.row}`, f);
    const rows = new Map<string, number>();
    const infos = new Map<string, CameraInfo>();
    let checked = 0;
    for await (const { topic, content } of recording.messages()) {
      const camera = topic.split('/')[1]!;
      if (topic.endsWith('camera_info')) infos.set(camera, content as CameraInfo);
      if (!topic.endsWith('image_raw')) continue;
      const row = rows.get(topic) ?? 0;
      rows.set(topic, row + 1);
      const frame = wanted.get(`${camera} ${row}`);
      if (!frame) continue;
      const image = content as Image;
      const resolution = t.cameras[camera].sensor_resolution_wh;
      for (const p of frame.probes) {
        if (!p.video_xy) continue; // the reference could not probe a video that ends early
        const [x, y] = p.video_xy;
        if (topic.includes('/color/')) {
          if (p.decoded_rgb)
            expect([...image.data.slice((y * image.width + x) * 3, (y * image.width + x) * 3 + 3)]).toEqual(
              p.decoded_rgb,
            );
          // The ray of the pixel meets the true point, in pixels of the video.
          const model = cameraModelOf(infos.get(camera)!, false);
          const [px, py] = [
            ((p.x + 0.5) * image.width) / resolution[0] - 0.5,
            ((p.y + 0.5) * image.height) / resolution[1] - 0.5,
          ];
          const lifted = model.unproject([px, py], p.true_depth_m)!;
          lifted.forEach((v, i) => {
            expect(Math.abs(v - p.true_point_camera[i])).toBeLessThan(1e-6);
          });
        } else if (p.decoded_depth_m !== undefined) {
          const metres = decodeDepthImage(image).data[y * image.width + x]!;
          if (p.decoded_depth_m < 0.052) expect(metres).toBeNaN();
          else expect(Math.abs(metres - p.decoded_depth_m)).toBeLessThan(1e-6);
        }
        checked++;
      }
      if (topic.includes('/color/') && frame.box_center_camera[2] > 0) {
        const model = cameraModelOf(infos.get(camera)!, false);
        const [u, v] = model.project(frame.box_center_camera as Vector3)!;
        expect(Math.abs(((u + 0.5) * resolution[0]) / image.width - frame.box_center_pixel[0])).toBeLessThan(1e-6);
        expect(Math.abs(((v + 0.5) * resolution[1]) / image.height - frame.box_center_pixel[1])).toBeLessThan(1e-6);
      }
    }
    expect(checked).toBeGreaterThan(0);
    const faults = h.video_faults?.[key] ?? {};
    for (const [camera, fault] of Object.entries<string>(faults)) {
      const code = fault.includes('absent') ? 'molmospaces.missing-video' : 'molmospaces.short-video';
      expect(recording.problems.some((p) => p.code === code && p.message.includes(camera))).toBe(true);
    }
    if (Object.keys(faults).length === 0)
      expect(recording.problems.filter((p) => p.code !== 'molmospaces.row')).toEqual([]);
    await recording.close();
  });

  it('finds the videos of the flat release', async () => {
    const flat = await RolloutRecording.open(sharedPath(folder, golden['_flat_release'].files[0]));
    expect(flat.problems).toEqual([]);
    expect(flat.topics.filter((t) => t.topic.endsWith('image_raw')).length).toBeGreaterThanOrEqual(2);
  });

  it.each(Object.entries<any>(golden['_point_tracks']))('point tracks %s', async (name, e) => {
    const tracks = await readOverlayTracks(sharedPath(folder, 'val', name), 'camera', 'frame', (t) => BigInt(t));
    expect([tracks.positions.length, tracks.positions[0]!.length]).toEqual(e.shapes.points_3d[0].slice(0, 2));
    for (const s of e.samples) {
      expect(tracks.positions[s.t]![s.n]).toEqual(s.point);
      expect(tracks.pixels![s.t]![s.n]).toEqual(s.pixel);
      expect(tracks.visible[s.t]![s.n]).toBe(s.visible);
    }
    const share = tracks.visible.flat().filter(Boolean).length / tracks.visible.flat().length;
    expect(share).toBeCloseTo(e.visible_share, 9);
  });

  it('packs and unpacks depth as the writer', () => {
    for (let d = 0.05; d <= 0.55; d += 0.0013) {
      const code = packDepth(d);
      expect(Math.abs(unpackDepth(code >> 8, code & 255) - d)).toBeLessThan(1e-5);
    }
    expect(packDepth(0.6)).toBe(0);
    expect(unpackDepth(0, 0)).toBe(0);
  });

  it('reads depth bytes of the video exactly', () => {
    let probes = 0;
    for (const [, house, h, key, t] of trajectories.slice(0, 3)) {
      for (const [camera, c] of Object.entries<any>(t.cameras)) {
        if (!c.video_depth) continue;
        const video = VideoReader.open(path.join(path.dirname(h5(house, h)), path.basename(c.video_depth)));
        const frames = new Map<number, any>(c.frames.map((f: any) => [f.row, f]));
        for (let row = 0, image = video.next(); image; image = video.next(), row++) {
          for (const p of frames.get(row)?.probes ?? []) {
            const at = (p.video_xy[1] * image.width + p.video_xy[0]) * 3;
            expect([camera, key, [...image.data.slice(at, at + 2)]]).toEqual([camera, key, p.decoded_depth_rg]);
            probes++;
          }
        }
        video.close();
      }
    }
    expect(probes).toBeGreaterThan(20);
  });
});

describeShared("MolmoBot's training reader", `${folder}/training_reader.json`, () => {
  const golden = sharedJson<any>(folder, 'training_reader.json');
  const expected = sharedJson<Record<string, any>>(folder, 'expected.json');
  const open = async (trajectory: string) => {
    const [house, key] = trajectory.split('/') as [string, string];
    const file = await Hdf5File.open(sharedPath(folder, 'val', house, expected[house].h5));
    const rollout = readRollout(file, key);
    file.close();
    return { house, key, rollout, h5: file.path };
  };
  it.each(golden.plain.map((p: any, i: number) => [`${p.trajectory} step ${p.step} (${p.arm_key}, ${i})`, p]))(
    '%s',
    async (_n, p: any) => {
      const { rollout } = await open(p.trajectory);
      expect(usableLength(rollout)).toBe(p.usable_length);
      if (p.arm_key !== 'joint_pos') return;
      const example = policyExample(rollout, p.step, p.action.length);
      expect(example.state).toEqual(p.state);
      expect(example.isPadding).toEqual(p.action_is_pad);
      expect(example.actions).toEqual(p.action);
      expect(example.instruction).toBe(p.question);
    },
  );
  it.each(golden.tracks.map((p: any, i: number) => [`${p.trajectory} step ${p.step} ${p.prompt_style} (${i})`, p]))(
    'overlay %s',
    async (_n, p: any) => {
      const { h5, key, rollout } = await open(p.trajectory);
      const npz = path.join(path.dirname(h5), `episode_${key.slice(5).padStart(8, '0')}_${p.camera}_point_tracks.npz`);
      const tracks = await readOverlayTracks(npz, p.camera, 'f', (t) => BigInt(t));
      const frame = (t: number): (Vector3 | null)[] =>
        p.point_indices.map((n: number) => (tracks.visible[t]![n] ? tracks.positions[t]![n]! : null));
      const history = p.history_frames.map((t: number) => frame(Math.max(0, t)));
      const future = p.future_frames.map(frame);
      expect(
        forecastPrompt(
          {
            caption: rollout.taskDescription,
            history,
            horizon: p.prompt_style === 'default' ? future.length : p.num_future_frames,
          },
          p.prompt_style,
        ),
      ).toBe(p.question);
      expect(trainingAnswer(history, future, p.prompt_style)).toBe(p.answer);
    },
  );
});
