import type { Arm } from '../core/arm.js';
import { percentile } from '../core/statistics.js';
import type { EpisodeResult } from '../evaluation/episodes.js';
import type { EpisodeStory } from '../runs/episode-story.js';
import type { EpisodeSection } from '../visualization/episodes-page.js';
import { jointTracesSvg } from '../visualization/joint-traces.js';
import { overlayPng } from '../visualization/overlay.js';
import { planPictureSvg } from '../visualization/plan-picture.js';
import { episodeFilm } from './episode-film.js';
import { forecastOverlay } from './forecast-overlay.js';

/** The simulator's cameras have 320 x 180 pixels; their pictures are enlarged so that lines and text on them can be read. */
const SCALE = 2;

/** One episode for the page of a demo: what came of it, its film, pictures, plots and figures. */
export async function episodeSection(
  result: EpisodeResult,
  story: EpisodeStory,
  arm: Arm,
  recording: string,
): Promise<EpisodeSection> {
  const { highlight, followed, commanded, measured, tool } = story;
  const error = result.forecast_error_m;
  const latency = percentile(result.chunk_latencies_ms, 95);
  const ms = Number.isNaN(latency) ? '-' : `${latency.toFixed(0)} ms`;
  const cm = error ? `${(100 * error.ADE).toFixed(1)} cm` : '-';
  const end = result.success ? `in place after ${result.simulated_s.toFixed(1)} s` : result.failure!.message;
  const limited = Object.entries(result.limited).map(([reason, times]) => `${reason} ${times}`);
  return {
    title: result.instruction,
    success: result.success,
    result: `${end}; forecast error ${cm}, chunks within ${ms}`,
    figures: [
      ['seed', String(result.seed)],
      [
        'forecasts',
        `${result.forecasts}${error ? `; of the held object ADE ${error.ADE.toFixed(4)} m, FDE ${error.FDE.toFixed(4)} m` : ''}`,
      ],
      ['chunks', `${result.chunk_latencies_ms.length}, 95 % within ${ms}`],
      [
        'commands',
        `${result.commands}, ${result.holds} of them holding; joints limited: ${limited.join(', ') || 'never'}`,
      ],
      ['computing', `${result.simulated_s.toFixed(1)} s in ${result.wall_s.toFixed(1)} s`],
      ...result.stops.map(({ at_s: at, message }): [string, string] => [
        'stopped',
        `at ${at.toFixed(1)} s: ${message}`,
      ]),
    ],
    film:
      story.pictures.length > 1
        ? {
            caption: 'What the camera saw, with the newest forecast',
            data: await episodeFilm(story.pictures, SCALE),
          }
        : null,
    pictures: highlight
      ? [
          {
            caption: 'The forecast with the longest motion',
            data: await overlayPng(await forecastOverlay(highlight, { scale: SCALE })),
          },
        ]
      : [],
    drawings: [
      ...(followed.length > 0 && tool.length > 1
        ? [
            {
              caption:
                "Forecasts while the object was held (coloured by time) and the way of the tool (thin line, from the empty to the full dot), in the arm's base",
              svg: planPictureSvg({ points: followed, tool, caption: result.instruction }),
            },
          ]
        : []),
      ...(commanded.length > 0
        ? [{ caption: 'Joints, between their limits', svg: jointTracesSvg(arm, commanded, measured) }]
        : []),
    ],
    recording: result.simulated_s > 0 ? recording : null,
  };
}
