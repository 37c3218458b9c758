import type { CameraInfo, Header } from '../bus/messages.js';
import type { Intrinsics } from '../core/camera.js';

/** CameraInfo of a camera without distortion, for the whole picture; P says the same as K. */
export function pinholeInfo({ width, height, fx, fy, cx, cy }: Intrinsics, header: Header): CameraInfo {
  return {
    header,
    width,
    height,
    distortion_model: 'plumb_bob',
    d: [],
    k: [fx, 0, cx, 0, fy, cy, 0, 0, 1],
    r: [1, 0, 0, 0, 1, 0, 0, 0, 1],
    p: [fx, 0, cx, 0, 0, fy, cy, 0, 0, 0, 1, 0],
    binning_x: 0,
    binning_y: 0,
    roi: { x_offset: 0, y_offset: 0, height: 0, width: 0, do_rectify: false },
  };
}
