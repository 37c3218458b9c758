import { Command } from 'commander';
import { z } from 'zod';
import { ConfigurationError, describeError, InputError } from '../../core/errors.js';
import type { DepthImage, RgbImage } from '../../core/images.js';
import type { QueryPoint } from '../../core/query-points.js';
import type { Pixel } from '../../core/vector.js';
import { CameraModel } from '../../geometry/camera-model.js';
import { liftClicks, liftMask, POINT_COUNT } from '../../grounding/lift-points.js';
import { growRegion } from '../../grounding/region-growing.js';
import { writeAtomically } from '../../files/atomic-file.js';
import { decodeColorFile } from '../../sensing/color-image.js';
import { decodeDepthFile, MILLIMETRES } from '../../sensing/depth-image.js';
import { checkImageSize } from '../../sensing/camera-info.js';
import { clicks, pointCount, positiveNumber, wholeNumber } from '../arguments.js';
import { EXIT } from '../exit-codes.js';
import { readBytes, readText } from '../input-file.js';
import { complain, say, toJson } from '../terminal.js';

interface LiftCommandOptions {
  readonly color: string;
  readonly depth: string;
  readonly intrinsics: string;
  readonly click?: readonly Pixel[];
  readonly mask?: string;
  readonly points: number;
  readonly depthScale?: number;
  readonly seed: number;
  readonly out: string;
}

export function liftCommand(): Command {
  return new Command('lift')
    .description('query points on the object under a clicked pixel, lifted into 3-D')
    .requiredOption('--color <file>', 'colour image, JPEG or PNG')
    .requiredOption('--depth <file>', 'depth aligned to it, 16-bit PNG, 0 where nothing was measured')
    .requiredOption(
      '--intrinsics <file>',
      'JSON: fx, fy, cx, cy (or K); optional distortion_model, d, depth_scale_m or depth_scale',
    )
    .option('--click <x,y>', 'pixel on the object; given several times, each is one query point', clicks)
    .option('--mask <file>', 'picture of the object, not black where it is, in place of a click')
    .option('--points <n>', 'points on the object; 1 lifts the clicked pixel itself', pointCount, POINT_COUNT)
    .option(
      '--depth-scale <metres>',
      'metres per unit of the depth image (default: that of the intrinsics file, else 0.001)',
      positiveNumber,
    )
    .option('--seed <n>', 'seed of the choice of points', wholeNumber, 0)
    .requiredOption('--out <file>', 'result: {"points": [{"pixel", "xyz_m" | null, "refused"?: reason}]}')
    .addHelpText(
      'after',
      '\nWhen no point at all could be lifted the result is still written, with the reasons, and the exit code is 3.',
    )
    .action(run);
}

async function run(options: LiftCommandOptions): Promise<void> {
  const calibration = parseIntrinsics(await readText(options.intrinsics), options.intrinsics);
  const color = await decodeColorFile(await readBytes(options.color), options.color);
  const depth = await decodeDepthFile(
    await readBytes(options.depth),
    options.depth,
    options.depthScale ?? calibration.depthScaleM,
  );
  const camera = new CameraModel(
    { ...calibration, width: calibration.width ?? color.width, height: calibration.height ?? color.height },
    calibration.distortionModel,
    calibration.coefficients,
  );
  checkImageSize(camera, color.width, color.height, options.color);
  checkImageSize(camera, depth.width, depth.height, options.depth);
  const points = await queryPoints(options, color, depth, camera);
  await writeAtomically(
    options.out,
    `${toJson({ points: points.map(({ pixel: at, position, refused }) => ({ pixel: at, xyz_m: position, ...(refused !== undefined && { refused }) })) })}\n`,
  );
  const lifted = points.filter(({ position }) => position !== null).length;
  const tell = lifted === 0 ? complain : say;
  for (const { refused } of points) if (refused !== undefined) tell(`refused: ${refused}`);
  tell(`${lifted} of ${points.length} points lifted, written to ${options.out}`);
  if (lifted === 0) process.exitCode = EXIT.input;
}

/** From a mask, from several pixels as they are, or from one pixel grown to its object. */
async function queryPoints(
  options: LiftCommandOptions,
  color: RgbImage,
  depth: DepthImage,
  camera: CameraModel,
): Promise<readonly QueryPoint[]> {
  const choice = { points: options.points, seed: options.seed };
  const { click = [] } = options;
  if (options.mask !== undefined && click.length === 0) {
    const { width, height, data } = await decodeColorFile(await readBytes(options.mask), options.mask);
    checkImageSize(camera, width, height, options.mask);
    const inside = Uint8Array.from({ length: width * height }, (_, i) =>
      data[i * 3]! + data[i * 3 + 1]! + data[i * 3 + 2]! > 0 ? 1 : 0,
    );
    const points = liftMask({ width, height, data: inside }, depth, camera, choice);
    if (points.length > 0) return points;
    throw new InputError({
      code: 'mask.empty',
      message: `${options.mask} marks no pixel`,
      remedy: 'paint the object white on black',
    });
  }
  if (options.mask !== undefined || click.length === 0) {
    throw new ConfigurationError({
      code: 'lift.object',
      message: 'the object is given by --click or by --mask, one of them',
      remedy: 'give --click X,Y',
    });
  }
  if (click.length > 1 || options.points === 1) return liftClicks(click, depth, camera);
  try {
    return liftMask(growRegion(color, depth, camera, click[0]!), depth, camera, choice);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return [{ pixel: click[0]!, position: null, refused: error.message }];
  }
}

interface Calibration {
  readonly fx: number;
  readonly fy: number;
  readonly cx: number;
  readonly cy: number;
  readonly width: number | undefined;
  readonly height: number | undefined;
  readonly distortionModel: string;
  readonly coefficients: readonly number[];
  readonly depthScaleM: number;
}

const numbers = z.array(z.number());
const fileSchema = z.looseObject({
  fx: z.number().optional(),
  fy: z.number().optional(),
  cx: z.number().optional(),
  cy: z.number().optional(),
  width: z.number().int().positive().optional(),
  height: z.number().int().positive().optional(),
  K: z.union([numbers, z.array(numbers)]).optional(),
  k: z.union([numbers, z.array(numbers)]).optional(),
  intrinsics_K: z.array(numbers).optional(),
  /** Open3D writes this one column by column. */
  intrinsic_matrix: numbers.optional(),
  distortion_model: z.string().optional(),
  d: numbers.optional(),
  D: numbers.optional(),
  depth_scale_m: z.number().positive().optional(),
  /** Units per metre, as Open3D and TUM count (1000, 5000); below 1 it is metres per unit, as RealSense counts. */
  depth_scale: z.number().positive().optional(),
  depth_units_per_metre: z.number().positive().optional(),
  depth_units_per_meter: z.number().positive().optional(),
});

function parseIntrinsics(text: string, file: string): Calibration {
  const fail = (why: string): never => {
    throw new InputError({
      code: 'intrinsics.file',
      message: `${file} gives no intrinsics: ${why}`,
      remedy: 'write {"fx": 525, "fy": 525, "cx": 319.5, "cy": 239.5, "depth_scale_m": 0.001}',
    });
  };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    return fail(describeError(cause));
  }
  const parsed = fileSchema.safeParse(value);
  if (!parsed.success) return fail(z.prettifyError(parsed.error).replaceAll('\n', ' '));
  const f = parsed.data;
  const k = (f.K ?? f.k ?? f.intrinsics_K)?.flat();
  const columns = f.intrinsic_matrix;
  const fx = f.fx ?? k?.[0] ?? columns?.[0];
  const fy = f.fy ?? k?.[4] ?? columns?.[4];
  const cx = f.cx ?? k?.[2] ?? columns?.[6];
  const cy = f.cy ?? k?.[5] ?? columns?.[7];
  if (fx === undefined || fy === undefined || cx === undefined || cy === undefined)
    return fail('fx, fy, cx, cy or K is missing');
  if (f.fx !== undefined && k?.[0] !== undefined && k[0] !== f.fx) return fail(`fx is ${f.fx}, but K says ${k[0]}`);
  const unitsPerMetre =
    f.depth_units_per_metre ??
    f.depth_units_per_meter ??
    (f.depth_scale !== undefined && f.depth_scale >= 1 ? f.depth_scale : undefined);
  const coefficients = f.d ?? f.D ?? [];
  return {
    fx,
    fy,
    cx,
    cy,
    width: f.width,
    height: f.height,
    distortionModel: f.distortion_model ?? (coefficients.length > 0 ? 'plumb_bob' : ''),
    coefficients,
    depthScaleM: f.depth_scale_m ?? (unitsPerMetre === undefined ? (f.depth_scale ?? MILLIMETRES) : 1 / unitsPerMetre),
  };
}
