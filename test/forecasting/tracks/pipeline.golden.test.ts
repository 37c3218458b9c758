import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { expect, it } from '@jest/globals';
import { clipSegments, groupsOf, motionScores } from '../../../src/forecasting/tracks/clip-segments.js';
import { filterTracks, selectTracks } from '../../../src/forecasting/tracks/filter-tracks.js';
import { liftTracks } from '../../../src/forecasting/tracks/lift-tracks.js';
import { pointMotion, type PointMotion } from '../../../src/forecasting/tracks/point-motion.js';
import { smoothAlongRays } from '../../../src/forecasting/tracks/ray-smoothing.js';
import { meanWeights } from '../../../src/forecasting/tracks/trust-weights.js';
import { decodeNpy, type Tensor } from '../../../src/tensors/npy.js';
import { NpzFile } from '../../../src/tensors/npz.js';
import { describeShared, sharedJson, sharedPath } from '../../golden/shared.js';

const npz = (...parts: string[]): NpzFile => new NpzFile(readFileSync(sharedPath(...parts)), parts.join('/'));
const npy = (...parts: string[]): Tensor => decodeNpy(readFileSync(sharedPath(...parts)));
const numbers = (t: Tensor): ArrayLike<number> => t.data as Float32Array;

/** (N, T, ...) to frame-major. */
function frameMajor(data: ArrayLike<number>, count: number, frames: number, width: number): Float64Array {
  const out = new Float64Array(count * frames * width);
  for (let n = 0; n < count; n++)
    for (let t = 0; t < frames; t++)
      for (let c = 0; c < width; c++) out[(t * count + n) * width + c] = data[(n * frames + t) * width + c]!;
  return out;
}

function centresOf(pose: Tensor, frames: number): Float64Array {
  const available = pose.shape[0]!;
  return Float64Array.from(
    { length: frames * 3 },
    (_, i) => numbers(pose)[Math.min(Math.floor(i / 3), available - 1) * 16 + (i % 3) * 4 + 3]!,
  );
}

function inputs(folder: string): { motion: PointMotion; centres: Float64Array; c: any } {
  const c = sharedJson<any>(folder, 'case.json');
  const pose = npz(folder, 'pose.npz').get('data');
  const tracks2d = npz(folder, 'tracks_2d.npz');
  if (existsSync(sharedPath(folder, 'depth_f16.npy'))) {
    const depth = npy(folder, 'depth_f16.npy');
    const [, height, width] = depth.shape as [number, number, number];
    const size = height * width;
    const missing = /frame (\d+) missing/.exec(c.note)?.[1];
    const motion = liftTracks(
      {
        frames: c.frames,
        count: c.tracks,
        pixels: numbers(tracks2d.get('tracks')),
        visible: numbers(tracks2d.get('visibility')),
        width,
        height,
      },
      {
        width,
        height,
        frame: (t) =>
          t === Number(missing) ? null : (numbers(depth) as Float32Array).subarray(t * size, (t + 1) * size),
      },
      numbers(npz(folder, 'intrinsics.npz').get('data')),
      numbers(pose),
      c.parameters.patch_k,
    );
    return { motion, centres: centresOf(pose, c.frames), c };
  }
  const tracks3d = npz(folder, 'tracks_3d.npz');
  const motion = pointMotion(
    c.frames,
    c.tracks,
    frameMajor(numbers(tracks3d.get('points_3d')), c.tracks, c.frames, 3),
    frameMajor(numbers(tracks3d.get('visibility')), c.tracks, c.frames, 1),
  );
  return { motion, centres: centresOf(pose, c.frames), c };
}

describeShared('the track filter of the pipeline', 'golden/tracks/filter', () => {
  const cases = existsSync(sharedPath('golden/tracks/filter')) ? readdirSync(sharedPath('golden/tracks/filter')) : [];
  const optionsOf = (p: any) => ({
    anchors: p.n_anchors,
    epsilon: p.trust_epsilon,
    zThreshold: p.z_thresh,
    steps: p.smooth_steps,
    learningRate: p.smooth_lr,
    alpha: p.alpha,
    lambda: p.lambda_reg,
    gatingPower: p.gating_power,
  });

  it.each(cases)('%s: weights, groups, drops and what is kept', (name) => {
    const folder = `golden/tracks/filter/${name}`;
    const { motion, centres, c } = inputs(folder);
    const meta = npz(folder, 'expected_filter_meta.npz');
    const original = frameMajor(numbers(meta.get('P_original')), c.tracks, c.frames, 3);
    const seen = frameMajor(numbers(meta.get('visibility_all')), c.tracks, c.frames, 1);
    expect([...motion.visible]).toEqual([...seen].map((v, i) => (v && Number.isFinite(original[i * 3]!) ? 1 : 0)));
    motion.positions.forEach((v, i) => {
      if (!Number.isNaN(v)) expect(Math.abs(v - original[i]!)).toBeLessThan(1e-4);
    });
    const result = filterTracks(motion, centres, optionsOf(c.parameters), c.object_sizes ?? undefined);
    expect(result.groups.map((g) => [...g.tracks].sort((a, b) => a - b))).toEqual(
      c.sub_groups.map((g: any) => [...g.tracks].sort((a: number, b: number) => a - b)),
    );
    result.groups.forEach((g, i) => {
      expect([...g.anchors].sort()).toEqual([...(c.sub_groups[i].anchors ?? [])].sort());
      const means = meanWeights(motion, g.tracks, result.weights);
      g.tracks.forEach((n, k) => {
        const e = c.sub_groups[i].mean_weight[c.sub_groups[i].tracks.indexOf(n)];
        expect(Math.abs((means[k] ?? 0) - (Number.isFinite(e) ? e : 0))).toBeLessThan(c.tolerance_weights);
      });
    });
    expect(result.labels).toEqual(c.sub_object_labels);
    expect(result.dropped).toEqual(c.drop);
    expect(result.kept).toHaveLength(c.kept);
    const weights = frameMajor(numbers(meta.get('trust_weights')), c.tracks, c.frames, 1);
    result.weights.forEach((w, i) => {
      if (!(Math.abs(w - weights[i]!) < c.tolerance_weights))
        throw new Error(`weight ${i}: ${w} against ${weights[i]!}`);
    });
    // The published float32 run is compared by percentiles only: it amplifies rounding.
    const moved = result.kept.flatMap((n) =>
      Array.from({ length: c.frames }, (_, t) => (t * c.tracks + n) * 3)
        .filter((at) => Number.isFinite(result.smoothed[at]!))
        .map((at) =>
          Math.hypot(
            result.smoothed[at]! - motion.positions[at]!,
            result.smoothed[at + 1]! - motion.positions[at + 1]!,
            result.smoothed[at + 2]! - motion.positions[at + 2]!,
          ),
        ),
    );
    if (moved.length > 0) {
      moved.sort((a, b) => a - b);
      const at95 = moved[Math.floor(0.95 * (moved.length - 1))]!;
      expect(Math.abs(at95 - c.abs_displacement_m.p95)).toBeLessThan(0.15 * c.abs_displacement_m.p95 + 1e-4);
    }
  });

  it.each(cases)('%s: smoothing as in double precision', (name) => {
    const folder = `golden/tracks/filter/${name}`;
    const { centres, c } = inputs(folder);
    const meta = npz(folder, 'expected_filter_meta.npz');
    const all = pointMotion(
      c.frames,
      c.tracks,
      frameMajor(numbers(meta.get('P_original')), c.tracks, c.frames, 3),
      frameMajor(numbers(meta.get('visibility_all')), c.tracks, c.frames, 1),
    );
    const keep = numbers(meta.get('keep_mask'));
    const kept = Array.from({ length: c.tracks }, (_, n) => n).filter((n) => keep[n]);
    const motion = selectTracks(all, kept);
    const w = frameMajor(numbers(meta.get('trust_weights')), c.tracks, c.frames, 1);
    const weights = Float64Array.from(
      { length: c.frames * kept.length },
      (_, i) => w[Math.floor(i / kept.length) * c.tracks + kept[i % kept.length]!]!,
    );
    const expected = npy(folder, 'expected_displacement_f64.npy');
    const size = kept.length * c.frames;
    c.displacement_steps.forEach((steps: number, s: number) => {
      const d = smoothAlongRays(motion, weights, centres, {
        steps,
        learningRate: c.parameters.smooth_lr,
        alpha: c.parameters.alpha,
        lambda: c.parameters.lambda_reg,
        gatingPower: c.parameters.gating_power,
      });
      const tolerance = c.displacement_conditioning[String(steps)].tolerance_fp64_port;
      let worst = 0;
      for (let i = 0; i < size; i++) worst = Math.max(worst, Math.abs(d[i]! - numbers(expected)[s * size + i]!));
      if (!(worst <= tolerance)) throw new Error(`${steps} steps: ${worst} m off, tolerance ${tolerance}`);
    });
  });
});

describeShared('lifting of 2-D tracks', 'golden/tracks/lifting', () => {
  it.each(existsSync(sharedPath('golden/tracks/lifting')) ? readdirSync(sharedPath('golden/tracks/lifting')) : [])(
    '%s',
    (name) => {
      const folder = `golden/tracks/lifting/${name}`;
      const c = sharedJson<any>(folder, 'case.json');
      const depth = npy(folder, 'depth.npy');
      const [depthFrames, height, width] = depth.shape as [number, number, number];
      const tracks = npz(folder, 'tracks_2d.npz');
      const [trackHeight, trackWidth] = c.track_dim_hw;
      const motion = liftTracks(
        {
          frames: c.frames,
          count: c.tracks,
          pixels: numbers(tracks.get('tracks')),
          visible: numbers(tracks.get('visibility')),
          width: trackWidth,
          height: trackHeight,
        },
        {
          width,
          height,
          frame: (t) =>
            t % c.depth_step === 0 && t < depthFrames
              ? (numbers(depth) as Float32Array).subarray(t * width * height, (t + 1) * width * height)
              : null,
        },
        numbers(npz(folder, 'intrinsics.npz').get('data')),
        numbers(npz(folder, 'pose.npz').get('data')),
      );
      const points = frameMajor(numbers(npy(folder, 'expected_points_3d.npy')), c.tracks, c.frames, 3);
      const visible = frameMajor(numbers(npy(folder, 'expected_visibility.npy')), c.tracks, c.frames, 1);
      expect([...motion.visible].reduce((a, b) => a + b, 0)).toBe(c.valid);
      expect([...motion.visible]).toEqual([...visible].map((v, i) => (v && Number.isFinite(points[i * 3]!) ? 1 : 0)));
      motion.positions.forEach((v, i) => {
        if (Number.isNaN(points[i]!)) expect(v).toBeNaN();
        else expect(Math.abs(v - points[i]!)).toBeLessThan(c.tolerance_m);
      });
    },
  );
});

describeShared('clips of moving objects', 'golden/tracks/clips/expected.json', () => {
  const golden = sharedJson<any>('golden/tracks/clips/expected.json');
  it.each(Object.entries<any>(golden.cases))('%s', (name, c) => {
    const tracks = npz('golden/tracks/clips', `${name}_3d.npz`);
    const [count, frames] = tracks.get('points_3d').shape as [number, number];
    const motion = pointMotion(
      frames,
      count,
      frameMajor(numbers(tracks.get('points_3d')), count, frames, 3),
      frameMajor(numbers(tracks.get('visibility')), count, frames, 1),
    );
    // The meta file describes all tracks, the tracks file only those that were kept.
    const meta = c.has_meta ? npz('golden/tracks/clips', `${name}_filter_meta.npz`) : null;
    const labels = meta
      ? Array.from(numbers(meta.get('sub_object_labels')), Number).filter((_, n) => numbers(meta.get('keep_mask'))[n])
      : null;
    const p = c.parameters;
    const segments = clipSegments(motion, labels, {
      fps: p.fps,
      threshold: p.threshold,
      minGap: p.min_gap,
      minClipS: p.min_clip_sec,
      minFrames: p.min_frames,
    });
    expect(Object.fromEntries(segments)).toEqual(c.result?.clips_by_object ?? {});
    for (const [group, scores] of Object.entries<number[]>(c.scores)) {
      const own = motionScores(motion, groupsOf(motion, labels).get(group)!);
      own.forEach((score, t) => {
        if (!(Math.abs(score - scores[t]!) < golden.tolerance_scores))
          throw new Error(`${group} frame ${t}: ${score} against ${scores[t]!}`);
      });
    }
  });
});
