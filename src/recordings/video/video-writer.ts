import { Encoder, Frame, Log, Muxer, Rational, SoftwareScaleContext } from 'node-av';
import {
  AV_LOG_ERROR,
  AV_PIX_FMT_RGB24,
  AV_PIX_FMT_YUV420P,
  FF_ENCODER_LIBX264,
  FF_ENCODER_LIBX264RGB,
  SWS_BILINEAR,
} from 'node-av/constants';
import type { RgbImage } from '../../core/images.js';
import { InputError } from '../../core/errors.js';
import { outputError } from '../../files/atomic-file.js';

/** `color` is H.264 with 4:2:0 chroma; `packed-depth` keeps red, green and blue apart (4:4:4), as two of them hold the depth. */
export type VideoContent = 'color' | 'packed-depth';

/** About imageio's quality 5 for colour; MolmoSpaces' own value for depth. */
const CRF = { color: 23, 'packed-depth': 23 } as const;

/** Five times as fast as x264's own choice, for files that are a little larger. */
const PRESET = 'veryfast';

/** Writes pictures of one size to an H.264 .mp4. The file is complete after close(). */
export class VideoWriter {
  readonly path: string;
  readonly #width: number;
  readonly #height: number;
  readonly #encoder: Encoder;
  readonly #muxer: Muxer;
  readonly #stream: number;
  readonly #timeBase: { readonly num: number; readonly den: number };
  readonly #scaler: SoftwareScaleContext | null;
  #count = 0n;

  /** @param stepMs milliseconds between pictures. @throws InputError `video.size` for odd sizes, OutputError when the file cannot be made. */
  constructor(path: string, content: VideoContent, width: number, height: number, stepMs: number) {
    if (width % 2 !== 0 || height % 2 !== 0) {
      throw new InputError({
        code: 'video.size',
        message: `a video cannot be ${width}x${height} pixels`,
        remedy: 'both sides must be even',
      });
    }
    Log.setLevel(AV_LOG_ERROR);
    this.path = path;
    this.#width = width;
    this.#height = height;
    // In whole microseconds, so that any period has an exact time base.
    this.#timeBase = { num: Math.round(stepMs * 1000), den: 1_000_000 };
    try {
      this.#encoder = Encoder.createSync(content === 'color' ? FF_ENCODER_LIBX264 : FF_ENCODER_LIBX264RGB, {
        // One thread: the same pictures give the same bytes on any machine.
        context: { threadCount: 1 },
        // Set on the context: node-av 6.1.1 frees its dictionary of options twice, and the process dies when it ends.
        configure: (context) => {
          context.setOption('crf', CRF[content]);
          context.setOption('preset', PRESET);
          // No B-pictures: a twentieth larger, and as much faster.
          // With its propagation of quality through the pictures, one run in ten gives other bytes (measured: x264 of node-av 6.1).
          context.setOption('x264-params', 'mbtree=0:bframes=0');
        },
      });
      this.#muxer = Muxer.openSync(path);
      this.#stream = this.#muxer.addStream(this.#encoder);
    } catch (cause) {
      throw outputError(path, cause);
    }
    this.#scaler = content === 'color' ? new SoftwareScaleContext() : null;
    this.#scaler?.getContext(width, height, AV_PIX_FMT_RGB24, width, height, AV_PIX_FMT_YUV420P, SWS_BILINEAR);
  }

  /** @throws InputError `video.size` when the picture is of another size. */
  add({ width, height, data }: RgbImage): void {
    if (width !== this.#width || height !== this.#height) {
      throw new InputError({
        code: 'video.size',
        message: `a picture of ${width}x${height} cannot join the ${this.#width}x${this.#height} video ${this.path}`,
        remedy: 'write one video for each size',
      });
    }
    const pts = this.#count++;
    const picture = Frame.fromVideoBuffer(Buffer.from(data.buffer, data.byteOffset, data.length), {
      width,
      height,
      format: AV_PIX_FMT_RGB24,
      timeBase: this.#timeBase,
      pts,
    });
    try {
      if (!this.#scaler) {
        this.#encode(picture);
        return;
      }
      const converted = new Frame();
      try {
        converted.alloc();
        converted.width = width;
        converted.height = height;
        converted.format = AV_PIX_FMT_YUV420P;
        converted.getBuffer(0);
        this.#scaler.scaleFrameSync(converted, picture);
        converted.pts = pts;
        converted.timeBase = new Rational(this.#timeBase.num, this.#timeBase.den);
        this.#encode(converted);
      } finally {
        converted.free();
      }
    } finally {
      picture.free();
    }
  }

  close(): void {
    this.#encode(null);
    this.#muxer.closeSync();
    this.#encoder.close();
    this.#scaler?.freeContext();
  }

  #encode(frame: Frame | null): void {
    try {
      for (const packet of this.#encoder.packetsSync(frame)) {
        if (!packet) continue;
        this.#muxer.writePacketSync(packet, this.#stream);
        packet.free();
      }
    } catch (cause) {
      throw outputError(this.path, cause);
    }
  }
}
