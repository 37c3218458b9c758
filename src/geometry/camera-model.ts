import { InputError } from '../core/errors.js';
import type { Camera, Intrinsics } from '../core/camera.js';
import type { Pixel, Vector3 } from '../core/vector.js';
import { distortionOf, type Distortion } from './distortion.js';

/** A pinhole camera with lens distortion. */
export class CameraModel implements Camera {
  readonly intrinsics: Intrinsics;
  readonly #distortion: Distortion;

  /**
   * @param distortionModel `''` or a model of sensor_msgs/CameraInfo; see distortionOf.
   * @throws InputError `camera.uncalibrated` when a focal length is 0, `camera.intrinsics` when a value cannot be a camera.
   */
  constructor(intrinsics: Intrinsics, distortionModel = '', coefficients: readonly number[] = []) {
    const { width, height, fx, fy, cx, cy } = intrinsics;
    if (fx === 0) {
      throw new InputError({
        code: 'camera.uncalibrated',
        message: 'the camera is not calibrated (K[0] is 0)',
        remedy: 'calibrate the camera; until then its driver or file gives zeros',
      });
    }
    if (!(width >= 1) || !(height >= 1) || !(fx > 0) || !(fy > 0) || ![fx, fy, cx, cy].every(Number.isFinite)) {
      throw new InputError({
        code: 'camera.intrinsics',
        message: `intrinsics fx ${fx}, fy ${fy}, cx ${cx}, cy ${cy} for ${width}x${height} cannot be a camera`,
        remedy: 'focal lengths must be positive and every value finite; fix the calibration',
      });
    }
    this.intrinsics = intrinsics;
    this.#distortion = distortionOf(distortionModel, coefficients);
  }

  project(point: Vector3): Pixel | null {
    if (!(point[2] > 0)) return null;
    const distorted = this.#distortion.distort(point[0] / point[2], point[1] / point[2]);
    if (!distorted) return null;
    const { fx, fy, cx, cy } = this.intrinsics;
    return [fx * distorted[0] + cx, fy * distorted[1] + cy];
  }

  normalize(pixel: Pixel): readonly [number, number] | null {
    const { fx, fy, cx, cy } = this.intrinsics;
    return this.#distortion.undistort((pixel[0] - cx) / fx, (pixel[1] - cy) / fy);
  }

  unproject(pixel: Pixel, depthM: number): Vector3 | null {
    const ray = this.normalize(pixel);
    return ray && [ray[0] * depthM, ray[1] * depthM, depthM];
  }

  contains(pixel: Pixel): boolean {
    const { width, height } = this.intrinsics;
    return pixel[0] >= -0.5 && pixel[1] >= -0.5 && pixel[0] < width - 0.5 && pixel[1] < height - 0.5;
  }
}
