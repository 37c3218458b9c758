import type { CompressedImage, Image } from '../bus/messages.js';
import { readImageHeader } from './image-header.js';

/** What one picture of a topic tells about all of them. */
export interface PictureFacts {
  /** `other` is neither colour nor depth: infrared, lossy depth, an encoding that is not known. */
  readonly content: 'color' | 'depth' | 'other';
  readonly frameId: string;
  /** Null where only decoding would tell. */
  readonly width: number | null;
  readonly height: number | null;
  /** The encoding or the format as the sender names it. */
  readonly encoding: string;
}

const DEPTH = /^(16UC1|32FC1)$/;
/** Infrared cameras use it for 16 bits of brightness, some depth cameras for millimetres: the name of the topic must tell. */
const GREY_16 = 'mono16';

export function pictureFacts(picture: Image | CompressedImage): PictureFacts {
  const frameId = picture.header.frame_id;
  return 'encoding' in picture ? { ...ofRaw(picture), frameId } : { ...ofCompressed(picture), frameId };
}

function ofRaw({ encoding, width, height }: Image): Omit<PictureFacts, 'frameId'> {
  const content = DEPTH.test(encoding) || encoding === GREY_16 ? 'depth' : 'color';
  return { content, width, height, encoding };
}

/** `ORIG; TRANSPORT ...` of image_transport, or only the name of a file format, which may be wrong: the bytes tell what they are. */
function ofCompressed({ format, data }: CompressedImage): Omit<PictureFacts, 'frameId'> {
  const [original = '', transport = ''] = format.split(';').map((part) => part.trim());
  if (transport.startsWith('compressedDepth')) {
    const header = readImageHeader(data.subarray(12));
    const isRvl = transport.endsWith('rvl') && data.length >= 20;
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    return {
      content: 'depth',
      width: isRvl ? view.getUint32(12, true) : (header?.width ?? null),
      height: isRvl ? view.getUint32(16, true) : (header?.height ?? null),
      encoding: format,
    };
  }
  const header = readImageHeader(data);
  const size = { width: header?.width ?? null, height: header?.height ?? null, encoding: format };
  if (header?.bitsPerSample === 16 && header.channels === 1) return { content: 'depth', ...size };
  // Depth that went through JPEG has lost it.
  return { content: DEPTH.test(original) || original === GREY_16 ? 'other' : 'color', ...size };
}
