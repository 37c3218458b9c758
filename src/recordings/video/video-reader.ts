import { Decoder, Demuxer, Frame, Log, SoftwareScaleContext } from 'node-av';
import {
  AV_LOG_QUIET,
  AV_PIX_FMT_GBRP,
  AV_PIX_FMT_RGB24,
  AVCOL_RANGE_JPEG,
  AVCOL_SPC_RGB,
  AVCOL_SPC_UNSPECIFIED,
  SWS_BILINEAR,
} from 'node-av/constants';
import { describeError, InputError } from '../../core/errors.js';
import type { RgbImage } from '../../core/images.js';
import { MOST_PIXELS } from '../../sensing/image-header.js';

/** Pictures of a video file one after the other, as RGB. Colours are converted by the matrix and range that the stream names; RGB streams are taken as they are. */
export class VideoReader {
  readonly path: string;
  readonly width: number;
  readonly height: number;
  readonly #demuxer: Demuxer;
  readonly #decoder: Decoder;
  readonly #frames: Iterator<Frame, undefined>;
  #scaler: SoftwareScaleContext | null = null;

  private constructor(path: string, demuxer: Demuxer, decoder: Decoder, width: number, height: number, stream: number) {
    this.path = path;
    this.width = width;
    this.height = height;
    this.#demuxer = demuxer;
    this.#decoder = decoder;
    this.#frames = decodedFrames(demuxer, decoder, stream);
  }

  /** @throws InputError `video.open` when the file cannot be read as video. */
  static open(path: string): VideoReader {
    // What ffmpeg would print is in the error that is thrown.
    Log.setLevel(AV_LOG_QUIET);
    let demuxer: Demuxer | undefined;
    try {
      demuxer = Demuxer.openSync(path);
      const stream = demuxer.video();
      if (!stream) throw new Error('it has no video stream');
      const { width, height } = stream.codecpar;
      if (width * height > MOST_PIXELS)
        throw new Error(`its pictures of ${width}x${height} have more than the ${MOST_PIXELS} pixels that are read`);
      return new VideoReader(path, demuxer, Decoder.createSync(stream), width, height, stream.index);
    } catch (cause) {
      demuxer?.closeSync();
      throw new InputError({
        code: 'video.open',
        message: `${path} cannot be read as video: ${describeError(cause)}`,
        remedy: 'copy the file again, or leave it away to replay without it',
        cause,
      });
    }
  }

  /** Null after the last picture. @throws InputError `video.decode`. */
  next(): RgbImage | null {
    try {
      const next: IteratorResult<Frame, undefined> = this.#frames.next();
      if (next.done === true) return null;
      const frame = next.value;
      try {
        if (frame.width !== this.width || frame.height !== this.height)
          throw new Error(`a picture is ${frame.width}x${frame.height} in a video of ${this.width}x${this.height}`);
        return {
          width: frame.width,
          height: frame.height,
          data: frame.format === AV_PIX_FMT_GBRP ? interleaveGbr(frame) : this.#toRgb(frame),
        };
      } finally {
        frame.free();
      }
    } catch (cause) {
      throw new InputError({
        code: 'video.decode',
        message: `${this.path} stops being readable: ${describeError(cause)}`,
        remedy: 'copy the file again',
        cause,
      });
    }
  }

  close(): void {
    // Ends the decoding in its place, so that a packet or pictures under way are freed.
    this.#frames.return?.();
    this.#scaler?.freeContext();
    this.#decoder.close();
    this.#demuxer.closeSync();
  }

  /** Untagged streams, as MolmoSpaces writes them, are taken as ffmpeg takes them: BT.601 in studio range. */
  #toRgb(frame: Frame): Uint8Array {
    const { width, height } = frame;
    if (!this.#scaler) {
      this.#scaler = new SoftwareScaleContext();
      const isTagged = frame.colorSpace !== AVCOL_SPC_UNSPECIFIED || frame.colorRange === AVCOL_RANGE_JPEG;
      // A context that is only allocated takes matrix and range from the tags of each frame.
      if (isTagged) this.#scaler.allocContext();
      else this.#scaler.getContext(width, height, frame.format as never, width, height, AV_PIX_FMT_RGB24, SWS_BILINEAR);
    }
    const rgb = new Frame();
    try {
      rgb.alloc();
      rgb.width = width;
      rgb.height = height;
      rgb.format = AV_PIX_FMT_RGB24;
      rgb.colorSpace = AVCOL_SPC_RGB;
      rgb.colorRange = AVCOL_RANGE_JPEG;
      rgb.getBuffer(0);
      const result = this.#scaler.scaleFrameSync(rgb, frame);
      if (result < 0) throw new Error(`its colours cannot be converted (code ${result})`);
      return Uint8Array.from(rgb.toBuffer());
    } finally {
      rgb.free();
    }
  }
}

function* decodedFrames(demuxer: Demuxer, decoder: Decoder, stream: number): Generator<Frame, undefined> {
  for (const packet of demuxer.packetsSync(stream)) {
    if (!packet) continue;
    const frames = decoder.decodeAllSync(packet);
    packet.free();
    try {
      for (let frame = frames.shift(); frame; frame = frames.shift()) yield frame;
    } finally {
      for (const frame of frames) frame.free();
    }
  }
  yield* decoder.flushFramesSync();
  return undefined;
}

/** Planes come as green, blue, red, each with its own stride. */
function interleaveGbr(frame: Frame): Uint8Array {
  const { width, height } = frame;
  const [green, blue, red] = frame.data as [Buffer, Buffer, Buffer];
  const [strideG, strideB, strideR] = frame.linesize as [number, number, number];
  const out = new Uint8Array(width * height * 3);
  for (let y = 0, to = 0; y < height; y++) {
    for (let x = 0; x < width; x++, to += 3) {
      out[to] = red[y * strideR + x]!;
      out[to + 1] = green[y * strideG + x]!;
      out[to + 2] = blue[y * strideB + x]!;
    }
  }
  return out;
}
