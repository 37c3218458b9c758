import { cssColor, timeColor } from './colors.js';
import { PAGE_SCRIPT, PAGE_STYLE } from './page-style.js';

/** What the page says before the episodes. */
export interface PageHead {
  readonly title: string;
  /** Whose forecasts and whose plans are shown: the first line of the page. */
  readonly credits: string;
  /** One sentence: what came of all episodes. */
  readonly summary: string;
  /** Time that a forecast reaches ahead, seconds; null where nothing was forecast. */
  readonly horizonS: number | null;
}

/** One episode on the page. */
export interface EpisodeSection {
  readonly title: string;
  readonly success: boolean;
  /** One sentence: what came of it. */
  readonly result: string;
  readonly figures: readonly (readonly [name: string, value: string])[];
  /** What the camera saw, as a video (.mp4); null where there is none. */
  readonly film: { readonly caption: string; readonly data: Buffer } | null;
  /** Those pictures of an episode that there are, PNG. */
  readonly pictures: readonly { readonly caption: string; readonly data: Buffer }[];
  /** SVG. */
  readonly drawings: readonly { readonly caption: string; readonly svg: string }[];
  /** A file beside the page; null where there is none. */
  readonly recording: string | null;
}

/** A page that needs nothing beside it: pictures are part of it. Episodes that failed come first, then the others, each in their order. */
export function episodesPage(
  { title, credits, summary, horizonS }: PageHead,
  sections: readonly EpisodeSection[],
): string {
  const failuresFirst = [...sections].sort((a, b) => Number(a.success) - Number(b.success));
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${escapeHtml(title)}</title><style>${PAGE_STYLE}</style></head>
<body><h1>${escapeHtml(title)}</h1>
<p class="credits">${escapeHtml(credits)}</p>
<p>${escapeHtml(summary)}</p>
${horizonS === null ? '' : timeLegend(horizonS)}
${failuresFirst.map(section).join('\n')}
<script>${PAGE_SCRIPT}</script></body></html>
`;
}

/** What the colours of the forecast paths mean. */
function timeLegend(horizonS: number): string {
  const stops = [0, 0.25, 0.5, 0.75, 1].map((at) => `${cssColor(timeColor(at))} ${100 * at}%`);
  return `<div class="legend"><span>Forecast paths are coloured by time: now</span><span class="times" style="background:linear-gradient(to right,${stops.join(',')})"></span><span>in ${horizonS.toFixed(1)} s</span></div>`;
}

function section({ title, success, result, figures, film, pictures, drawings, recording }: EpisodeSection): string {
  const shown = [
    ...(film
      ? [
          figure(
            `<video controls loop muted autoplay playsinline src="data:video/mp4;base64,${film.data.toString('base64')}"></video>`,
            film.caption,
          ),
        ]
      : []),
    ...pictures.map(({ caption, data }) =>
      figure(`<img alt="${escapeHtml(caption)}" src="data:image/png;base64,${data.toString('base64')}">`, caption),
    ),
    ...drawings.map(({ caption, svg }) => figure(svg, caption)),
  ];
  return `<section><h2>${escapeHtml(title)}</h2>
<p><span class="mark ${success ? 'good' : 'bad'}">${success ? 'success' : 'failed'}</span>: ${escapeHtml(result)}</p>
<div class="pictures">${shown.join('')}</div>
<table>${figures.map(([name, value]) => `<tr><td>${escapeHtml(name)}</td><td>${escapeHtml(value)}</td></tr>`).join('')}</table>
${recording === null ? '' : `<p>Everything on the bus: <a href="${encodeURI(recording)}">${escapeHtml(recording)}</a> (Foxglove, Lichtblick, ros2 bag play)</p>`}</section>`;
}

/** The button is there for the keyboard and for videos, on which a click means pause. */
function figure(content: string, caption: string): string {
  return `<figure><div class="picture">${content}</div><figcaption><button type="button" aria-pressed="false">enlarge</button> ${escapeHtml(caption)}</figcaption></figure>`;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}
