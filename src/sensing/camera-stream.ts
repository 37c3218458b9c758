import { crc32 } from 'node:zlib';
import type { CameraInfo, CompressedImage, Image } from '../bus/messages.js';
import { InputError } from '../core/errors.js';
import type { CameraFrame } from '../core/observation.js';
import { fromTimeMessage, type Nanoseconds } from '../core/time.js';
import type { CameraModel } from '../geometry/camera-model.js';
import { cameraModelOf, checkImageSize } from './camera-info.js';
import { checkColorImage, decodeColorImage, decodeCompressedColor } from './color-image.js';
import { checkDepthImage, decodeCompressedDepth, decodeDepthImage } from './depth-image.js';
import { Synchronizer } from './synchronizer.js';

export interface CameraStreamOptions {
  readonly camera: string;
  readonly hasDepth: boolean;
  /** The images are rectified: P of CameraInfo applies instead of K and the distortion. */
  readonly rectified: boolean;
  /** Optical frame, in place of the one in the headers of the colour images. */
  readonly frame?: string;
  /** Metres per unit of integer depth images. */
  readonly depthScaleM: number;
  /** Widest difference of stamps between colour and depth. */
  readonly maxInterval: Nanoseconds;
  readonly queueSize: number;
}

const REFUSALS_BEFORE_RESTART = 5;

type AnyImage = Image | CompressedImage;

const isRaw = (image: AnyImage): image is Image => 'encoding' in image;

/** Colour, depth and CameraInfo of one camera in, synchronised frames out. Every message is checked when it arrives, decoded when it is needed. */
export class CameraStream {
  readonly #options: CameraStreamOptions;
  readonly #emit: (frame: CameraFrame) => void;
  readonly #refuse: (error: unknown) => void;
  readonly #synchronizer: Synchronizer<AnyImage>;
  /** Newest last. A set is given out a picture late, so the calibration before a change is still needed. */
  #models: { readonly info: CameraInfo; readonly model: CameraModel; readonly since: Nanoseconds }[] = [];
  #lastColor: Nanoseconds | null = null;
  /** Lanes that have had a picture with the stamp 0: a second one is of a driver that does not set it. */
  readonly #zeroStamped = new Set<number>();
  #refusedInRow = 0;

  /** @param refuse told of every frame that cannot be used, with the error that says why. */
  constructor(options: CameraStreamOptions, emit: (frame: CameraFrame) => void, refuse: (error: unknown) => void) {
    this.#options = options;
    this.#emit = emit;
    this.#refuse = refuse;
    this.#synchronizer = new Synchronizer(options.hasDepth ? 2 : 1, options, (set) => {
      this.#assemble(set[0]!, set[1] ?? null);
    });
  }

  /** CameraInfo changes rarely; its model is rebuilt only when it does. @throws InputError when it describes no usable camera. */
  addInfo(info: CameraInfo): void {
    const newest = this.#models.at(-1);
    if (newest && sameCamera(newest.info, info)) return;
    try {
      const model = cameraModelOf(info, this.#options.rectified);
      this.#models = [...this.#models.slice(-1), { info, model, since: fromTimeMessage(info.header.stamp) }];
    } catch (error) {
      // An unusable calibration is no reason to go on with the one before.
      this.#models = [];
      throw error;
    }
  }

  /** @throws InputError when the message cannot be an image, or comes out of order. */
  addColor(image: AnyImage): void {
    if (isRaw(image)) checkColorImage(image);
    const stamp = fromTimeMessage(image.header.stamp);
    if (this.#lastColor !== null && stamp > this.#lastColor) {
      // Half a picture's period at most: wider would pair with the neighbour of a picture that was lost.
      const half = (stamp - this.#lastColor) / 2n;
      this.#synchronizer.maxInterval = half < this.#options.maxInterval ? half : this.#options.maxInterval;
    }
    this.#lastColor = stamp;
    this.#add(0, stamp, image);
  }

  /** @throws InputError when the message cannot be a depth image, or comes out of order. */
  addDepth(image: AnyImage): void {
    if (isRaw(image)) checkDepthImage(image);
    this.#add(1, fromTimeMessage(image.header.stamp), image);
  }

  flush(): void {
    this.#synchronizer.flush();
  }

  clear(): void {
    this.#synchronizer.clear();
    this.#zeroStamped.clear();
    this.#lastColor = null;
  }

  /** One stamp from the future would shut out all that follow: after a few refusals in a row the stream starts afresh. */
  #add(lane: number, stamp: Nanoseconds, image: AnyImage): void {
    if (stamp === 0n) {
      if (this.#zeroStamped.has(lane)) throw unstamped(this.#options.camera, lane === 0 ? 'colour' : 'depth');
      this.#zeroStamped.add(lane);
    }
    try {
      this.#synchronizer.add(lane, stamp, image);
      this.#refusedInRow = 0;
    } catch (error) {
      if (++this.#refusedInRow >= REFUSALS_BEFORE_RESTART) {
        this.#synchronizer.clear();
        this.#lastColor = null;
        this.#refusedInRow = 0;
      }
      throw error;
    }
  }

  #assemble(color: AnyImage, depth: AnyImage | null): void {
    const { camera, depthScaleM } = this.#options;
    const stamp = fromTimeMessage(color.header.stamp);
    const model = (this.#models.findLast(({ since }) => since <= stamp) ?? this.#models[0])?.model;
    // Pictures that come before the first CameraInfo cannot be used; drivers send it with every picture.
    if (!model) {
      this.#refuse(
        new InputError({
          code: 'camera.no-info',
          message: `camera ${camera} has sent pictures but no usable CameraInfo`,
          remedy: 'start the driver with calibration, and check the camera_info topic name',
        }),
      );
      return;
    }
    try {
      if (depth && depth.header.frame_id !== color.header.frame_id)
        throw notAligned(camera, color.header.frame_id, depth.header.frame_id);
      if (isRaw(color)) checkImageSize(model, color.width, color.height, `the colour image of ${camera}`);
      if (depth && isRaw(depth)) checkImageSize(model, depth.width, depth.height, `the depth image of ${camera}`);
    } catch (error) {
      this.#refuse(error);
      return;
    }
    this.#emit({
      camera,
      frameId: this.#options.frame ?? color.header.frame_id,
      stamp,
      model,
      fingerprint: () => `${color.data.length}:${crc32(color.data)}`,
      color: once(async () => {
        const image = isRaw(color) ? decodeColorImage(color) : await decodeCompressedColor(color);
        checkImageSize(model, image.width, image.height, `the colour image of ${camera}`);
        return image;
      }),
      depth:
        depth &&
        once(async () => {
          const image = isRaw(depth)
            ? decodeDepthImage(depth, depthScaleM)
            : await decodeCompressedDepth(depth, depthScaleM);
          checkImageSize(model, image.width, image.height, `the depth image of ${camera}`);
          return image;
        }),
    });
  }
}

function unstamped(camera: string, what: string): InputError {
  return new InputError({
    code: 'stamps.zero',
    message: `${what} images of ${camera} are stamped 0, so nothing tells when they were taken`,
    remedy: 'its driver must set header.stamp',
  });
}

function notAligned(camera: string, color: string, depth: string): InputError {
  return new InputError({
    code: 'depth.not-aligned',
    message: `the depth image of ${camera} is in frame "${depth}", its colour image in "${color}"`,
    remedy:
      'use the depth that the driver aligns to colour (RealSense: align_depth.enable:=true, aligned_depth_to_color)',
  });
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let value: Promise<T> | undefined;
  // Wrapped, so that a decoder that throws at once also rejects.
  return () => (value ??= Promise.resolve().then(make));
}

function sameCamera(a: CameraInfo, b: CameraInfo): boolean {
  const same = (p: ArrayLike<number>, q: ArrayLike<number>): boolean =>
    p.length === q.length && Array.from(p).every((v, i) => v === q[i]);
  return (
    a.width === b.width &&
    a.height === b.height &&
    a.distortion_model === b.distortion_model &&
    a.binning_x === b.binning_x &&
    a.binning_y === b.binning_y &&
    a.roi.x_offset === b.roi.x_offset &&
    a.roi.y_offset === b.roi.y_offset &&
    a.roi.width === b.roi.width &&
    a.roi.height === b.roi.height &&
    same(a.d, b.d) &&
    same(a.k, b.k) &&
    same(a.p, b.p)
  );
}
