import { expect, it } from '@jest/globals';
import { describeShared } from '../golden/shared.js';
import { infoOf, lifted, replayed, report, runHere } from './stranger.js';

/** Pixel (86, 51) of the base lies on the box at 0.8 m: ((86 - 79.5) * 0.8 / 150, (51 - 59.5) * 0.8 / 151, 0.8). */
const ON_BOX = [0.034667, -0.045033, 0.8] as const;

const codes = (problems: readonly { readonly code: string }[]): string[] =>
  [...new Set(problems.map(({ code }) => code))].sort();

/** Everything as for the base: one query of eight points on the box, at the right place, and only the given remarks, by info and replay alike. */
async function expectAsBase(file: string, remarks: readonly string[] = [], camera = 'camera'): Promise<void> {
  const played = await replayed(file);
  expect([played.code, played.report?.camera, codes(played.report!.refusals)]).toEqual([0, camera, []]);
  expect(played.report!.stages).toMatchObject({
    sensing: { frames: 12 },
    grounding: { queries: 1 },
    forecasting: { forecasts: 1 },
  });
  expect(codes(played.report!.problems)).toEqual(remarks);
  const facts = await infoOf(file);
  expect([facts.instruction, codes(facts.problems)]).toEqual(['push the red box', remarks]);
  expectAt(await lifted(file, [[86, 51]]), ON_BOX);
}

function expectAt([point]: readonly (readonly number[])[], expected: readonly number[]): void {
  point!.forEach((x, i) => {
    expect(x).toBeCloseTo(expected[i]!, 5);
  });
}

describeShared('recordings of strangers', 'real/reports', () => {
  it.each([
    ['00-base/base.mcap', []],
    ['01-empty-schema/rec.mcap', ['mcap.assumed-definition']],
    ['01-empty-schema/rec_ros2msg_notext.mcap', ['mcap.assumed-definition']],
    ['02-schema-text/root_only.mcap', ['mcap.assumed-definition']],
    ['02-schema-text/typename.mcap', ['mcap.assumed-definition']],
    ['04-message-zstd/bag', ['mcap.packed-messages']],
    ['05-twins/depth_jpeg_twin.mcap', []],
    ['06-index/t0_all_index.mcap', []],
    ['07-projection/raw.mcap', []],
    ['07-projection/rect.mcap', ['camera.no-projection']],
    ['08-distortion/none.mcap', []],
    ['25-joint-names/prefix.mcap', []],
    ['25-joint-names/ns.mcap', ['joints.topic']],
    ['25-joint-names/measured.mcap', ['joints.topic']],
    ['25-joint-names/underscore.mcap', ['joints.no-arm']],
    ['25-joint-names/split7.mcap', ['joints.no-arm']],
  ])('%s is read as the base is', async (file, remarks) => {
    await expectAsBase(report(file), remarks);
  });

  it('the depth of a stereo camera is known by its encoding', async () => {
    await expectAsBase(report('27-stereo/rec.mcap'), [], 'oak');
  });
  it('messages without a type are skipped with a word', async () => {
    const { report: played } = await replayed(report('02-schema-text/noschema.mcap'));
    expect([played!.camera, codes(played!.problems)]).toEqual([null, ['mcap.channel']]);
    expect((await infoOf(report('02-schema-text/noschema.mcap'))).problems).toEqual(played!.problems);
  });
  it('a bag that is packed as a whole is refused with the command that unpacks it', async () => {
    for (const args of [['info'], ['replay', '--out', '/nowhere']]) {
      const { code, err } = await runHere(args[0]!, report('03-file-zstd/bag'), ...args.slice(1));
      expect([code, err]).toEqual([
        3,
        expect.stringMatching(/bag_0\.mcap\.zstd is compressed as a whole with zstd.*zstd -d /),
      ]);
    }
  });
  it('no message is lost where log time begins at 0', async () => {
    expect((await infoOf(report('06-index/t0_all_index.mcap'))).messages).toBe(49);
  });
  it('a camera called director is not rectified', async () => {
    // K and d (-0.3, 0.1, 0.01, -0.01, 0), not P: by the fixed-point iteration of OpenCV's undistortPoints.
    const [point] = await lifted(report('07-projection/director.mcap'), [[86, 51]]);
    expectAt([point!], undistorted([86, 51], [-0.3, 0.1, 0.01, -0.01, 0]));
  });
  it.each([
    ['pb4', [-0.28, 0.07, 0.001, -0.002]],
    ['pb8', [0.5, -0.3, 0.001, -0.002, 0.05, 0.8, -0.35, 0.02]],
    ['pb14', [-0.28, 0.07, 0.001, -0.002, 0.01]],
    ['rp5', [-0.28, 0.07, 0.001, -0.002, 0.01]],
    ['rp8', [0.5, -0.3, 0.001, -0.002, 0.05, 0.8, -0.35, 0.02]],
    ['rp12', [0.5, -0.3, 0.001, -0.002, 0.05, 0.8, -0.35, 0.02, 0.01, -0.002, 0.003, -0.001]],
    ['rp12zero', [0.5, -0.3, 0.001, -0.002, 0.05, 0.8, -0.35, 0.02]],
    ['rp14', [0.5, -0.3, 0.001, -0.002, 0.05, 0.8, -0.35, 0.02]],
  ])("distortion %s is OpenCV's", async (name, d) => {
    expectAt(await lifted(report('08-distortion', `${name}.mcap`), [[86, 51]]), undistorted([86, 51], d));
    expect((await infoOf(report('08-distortion', `${name}.mcap`))).problems).toEqual([]);
  });
  it.each([
    ['fisheye', [0.1, 0.01, 0, 0]],
    ['kb', [0.1, 0, 0, 0]],
  ] as const)('distortion %s is the fisheye', async (name, [k1, k2]) => {
    const [x, y] = [(86 - 79.5) / 150, (51 - 59.5) / 151];
    const distorted = Math.hypot(x, y);
    // theta (1 + k1 theta^2 + k2 theta^4) = r, solved by iteration.
    let theta = distorted;
    for (let i = 0; i < 100; i++) theta = distorted / (1 + k1 * theta ** 2 + k2 * theta ** 4);
    const scale = Math.tan(theta) / distorted;
    expectAt(await lifted(report('08-distortion', `${name}.mcap`), [[86, 51]]), [
      x * scale * 0.8,
      y * scale * 0.8,
      0.8,
    ]);
  });
  it('two arms are an error that asks which', async () => {
    const file = report('09-joints/dual_arm_separate.mcap');
    const { report: played } = await replayed(file);
    expect(codes(played!.refusals)).toEqual(['joints.ambiguous']);
    expect(played!.refusals[0]).toMatchObject({
      message: expect.stringMatching(/left_fr3_joint1.*right_fr3_joint1/),
      remedy: expect.stringContaining('arm.joints: [left_fr3_joint1, '),
    });
    expect(codes((await infoOf(file)).problems)).toEqual(['joints.ambiguous']);
  });
  it('depth belongs to the colour of its own namespace', async () => {
    const file = report('11-two-cameras/rec.mcap');
    expect((await infoOf(file)).cameras.map(({ camera, color, depth }) => [camera, color, depth])).toEqual(
      ['left', 'right'].map((side) => [
        `${side}_camera`,
        `/${side}/camera/color/image_raw`,
        `/${side}/camera/aligned_depth_to_color/image_raw`,
      ]),
    );
    const { report: played } = await replayed(file);
    expect([played!.stages.sensing.frames, played!.refusals]).toEqual([24, []]);
  });
  it.each([
    ['all_zero', ['/camera/color/image_raw', '/camera/aligned_depth_to_color/image_raw']],
    ['image_zero_only', ['/camera/color/image_raw']],
  ])('stamps of 0 are said plainly: %s', async (name, topics) => {
    const file = report('18-stamps', `${name}.mcap`);
    const { report: played, out, err } = await replayed(file);
    for (const problems of [played!.problems, (await infoOf(file)).problems]) {
      const found = problems.filter(({ code }) => code === 'stamps.zero').map(({ message }) => message);
      for (const topic of topics)
        expect(found).toContainEqual(expect.stringContaining(`12 of 12 messages on ${topic} are stamped 0`));
    }
    expect(out + err).not.toContain('--click');
  });
  it('a wstring is named as the reason', async () => {
    const file = report('19-channels/fork_wstring.mcap');
    const { report: played } = await replayed(file);
    expect(played!.problems).toContainEqual(
      expect.objectContaining({ code: 'mcap.channel', message: expect.stringContaining('has a wstring (note)') }),
    );
    expect(codes((await infoOf(file)).problems)).toContain('mcap.channel');
  });
  it('info --strict ends with 3 when something cannot be used', async () => {
    expect((await runHere('info', report('00-base/base.mcap'), '--strict')).code).toBe(0);
    const strict = await runHere('info', report('18-stamps/all_zero.mcap'), '--strict');
    expect([strict.code, strict.err]).toEqual([3, expect.stringContaining('stamped 0')]);
  });

  it('info --config says that all is found, or what is missing', async () => {
    const file = report('00-base/base.mcap');
    const set = (...settings: string[]): string[] => settings.flatMap((setting) => ['--set', setting]);
    const all = await runHere(
      'info',
      file,
      ...set('cameras.camera.color=/camera/color/image_raw', 'cameras.camera.frame=camera_color_optical_frame'),
      ...set('topics.joints=/joint_states', 'topics.instruction=/instruction'),
    );
    expect([all.code, all.err]).toEqual([0, '']);
    expect(all.out).toContain('everything that the configuration names is found');
    const some = await runHere(
      'info',
      file,
      ...set('topics.joints=/robot/joints', 'cameras.wrist.color=/wrist/image', 'arm.prefix=left_'),
    );
    expect(some.code).toBe(3);
    for (const missing of [
      'topics.joints /robot/joints',
      'cameras.wrist wrist',
      'cameras.wrist.color /wrist/image',
      'frames.base left_fr3_link0',
      'arm.joints left_fr3_joint1, ',
    ])
      expect(some.out).toContain(`missing: ${missing}`);
    expect(some.err).toContain('lacks what the configuration names: topics.joints /robot/joints; ');
  });
});

/** By the iteration of OpenCV's undistortPoints (calib3d, fisheye apart): it does not share a line with what it checks. */
function undistorted([u, v]: readonly [number, number], d: readonly number[]): number[] {
  const [k1 = 0, k2 = 0, p1 = 0, p2 = 0, k3 = 0, k4 = 0, k5 = 0, k6 = 0, s1 = 0, s2 = 0, s3 = 0, s4 = 0] = d;
  const [x0, y0] = [(u - 79.5) / 150, (v - 59.5) / 151];
  let [x, y] = [x0, y0];
  for (let i = 0; i < 500; i++) {
    const r2 = x * x + y * y;
    const inverse = (1 + ((k6 * r2 + k5) * r2 + k4) * r2) / (1 + ((k3 * r2 + k2) * r2 + k1) * r2);
    const dx = 2 * p1 * x * y + p2 * (r2 + 2 * x * x) + s1 * r2 + s2 * r2 * r2;
    const dy = p1 * (r2 + 2 * y * y) + 2 * p2 * x * y + s3 * r2 + s4 * r2 * r2;
    [x, y] = [(x0 - dx) * inverse, (y0 - dy) * inverse];
  }
  return [x * 0.8, y * 0.8, 0.8];
}
