import type { CameraInfo } from '../bus/messages.js';
import { InputError } from '../core/errors.js';
import { CameraModel } from '../geometry/camera-model.js';

/**
 * The camera of an image: K and the distortion for raw images, P without distortion for rectified ones (sensor_msgs/CameraInfo), K without distortion where P is zero. K and P are
 * given for the full sensor; region of interest and binning are applied in that order.
 * @throws InputError `camera.uncalibrated`, `camera.intrinsics` or `camera.distortion`.
 */
export function cameraModelOf(info: CameraInfo, rectified: boolean): CameraModel {
  const binningX = Math.max(1, info.binning_x);
  const binningY = Math.max(1, info.binning_y);
  const { roi } = info;
  const full = roi.width === 0 || roi.height === 0;
  const at = (values: ArrayLike<number>, index: number): number => values[index] ?? Number.NaN;
  if (at(info.k, 0) !== 0 && Math.abs(at(info.k, 1)) > 1e-9) {
    throw new InputError({
      code: 'camera.intrinsics',
      message: `skew ${at(info.k, 1)} is not supported`,
      remedy: 'calibrate with zero skew',
    });
  }
  const [fx, fy, cx, cy] =
    rectified && !lacksProjection(info)
      ? [at(info.p, 0), at(info.p, 5), at(info.p, 2), at(info.p, 6)]
      : [at(info.k, 0), at(info.k, 4), at(info.k, 2), at(info.k, 5)];
  const intrinsics = {
    width: Math.floor((full ? info.width : roi.width) / binningX),
    height: Math.floor((full ? info.height : roi.height) / binningY),
    fx: fx / binningX,
    fy: fy / binningY,
    cx: (cx - (full ? 0 : roi.x_offset)) / binningX,
    cy: (cy - (full ? 0 : roi.y_offset)) / binningY,
  };
  if (rectified && lacksProjection(info) && Array.from(info.d).some((coefficient) => coefficient !== 0)) {
    throw new InputError({
      code: 'camera.intrinsics',
      message: 'the pictures are rectified, P is zero, and K is that of a distorted picture',
      remedy: 'publish P of the rectified pictures, or use the pictures that are not rectified',
    });
  }
  return rectified
    ? new CameraModel(intrinsics)
    : new CameraModel(intrinsics, info.distortion_model, Array.from(info.d));
}

/**
 * Drivers that do not rectify leave P zero, and some of them publish pictures that need no rectification all the same. K is then what the
 * calibration says of rectified pictures too.
 */
export function lacksProjection({ k, p }: CameraInfo): boolean {
  return Array.from(p).every((value) => value === 0) && (k[0] ?? 0) > 0;
}

/** @throws InputError `camera.size-mismatch` when the calibration is for another resolution. */
export function checkImageSize(model: CameraModel, width: number, height: number, what: string): void {
  const { width: w, height: h } = model.intrinsics;
  if (w !== width || h !== height) {
    throw new InputError({
      code: 'camera.size-mismatch',
      message: `${what} is ${width}x${height} but its calibration describes ${w}x${h}`,
      remedy:
        'publish the CameraInfo of this resolution (resize_node of image_proc does), or use the image it belongs to',
    });
  }
}
