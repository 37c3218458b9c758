import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { VideoWriter } from '../recordings/video/video-writer.js';
import type { StoryPicture } from '../runs/episode-story.js';
import { overlayPicture } from '../visualization/overlay.js';
import { forecastOverlay } from './forecast-overlay.js';

/** Pictures of an episode with their forecasts as a video (.mp4), in the time of the episode. @param pictures at least two. @param scale times as large. */
export async function episodeFilm(pictures: readonly StoryPicture[], scale: number): Promise<Buffer> {
  const folder = await mkdtemp(path.join(tmpdir(), 'molmo-motion-film-'));
  try {
    const file = path.join(folder, 'film.mp4');
    const stepMs = (1000 * (pictures.at(-1)!.timeS - pictures[0]!.timeS)) / (pictures.length - 1);
    let video: VideoWriter | null = null;
    try {
      for (const { image, result, timeS } of pictures) {
        const caption = `${timeS.toFixed(1)} s  ${result.forecast.instruction}`;
        const picture = await overlayPicture(await forecastOverlay(result, { image, caption, scale }));
        video ??= new VideoWriter(file, 'color', picture.width, picture.height, stepMs);
        video.add(picture);
      }
    } finally {
      video?.close();
    }
    return await readFile(file);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
