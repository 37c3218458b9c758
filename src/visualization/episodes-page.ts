/** One episode on the page. */
export interface EpisodeSection {
  readonly title: string;
  readonly success: boolean;
  /** One sentence: what came of it. */
  readonly result: string;
  readonly figures: readonly (readonly [name: string, value: string])[];
  /** Of the page's pictures those that there are. */
  readonly pictures: readonly { readonly caption: string; readonly data: Buffer; readonly type: 'png' | 'webp' }[];
  /** SVG. */
  readonly drawings: readonly { readonly caption: string; readonly svg: string }[];
  /** A file beside the page; null where there is none. */
  readonly recording: string | null;
}

const STYLE = `
:root { color-scheme: light dark; --line: #8884; --good: #2f9e44; --bad: #e03131; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin: 0; }
section { border: 1px solid var(--line); border-radius: 8px; padding: 1rem; margin: 1.2rem 0; }
.mark { font-weight: 600; } .good { color: var(--good); } .bad { color: var(--bad); }
.pictures { display: grid; grid-template-columns: repeat(auto-fit, minmax(18rem, 1fr)); gap: 0.8rem; }
figure { margin: 0; } figcaption { font-size: 0.85rem; opacity: 0.8; }
img, svg { width: 100%; height: auto; border-radius: 4px; }
table { border-collapse: collapse; margin: 0.6rem 0; } td { padding: 0.1rem 1.2rem 0.1rem 0; vertical-align: top; } td:first-child { opacity: 0.75; }
`;

/** A page that needs nothing beside it: pictures are part of it. */
export function episodesPage(title: string, summary: string, sections: readonly EpisodeSection[]): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${escapeHtml(title)}</title><style>${STYLE}</style></head>
<body><h1>${escapeHtml(title)}</h1><p>${escapeHtml(summary)}</p>${sections.map(section).join('\n')}</body></html>
`;
}

function section({ title, success, result, figures, pictures, drawings, recording }: EpisodeSection): string {
  const shown = [
    ...pictures.map(({ caption, data, type }) =>
      figure(`<img alt="${escapeHtml(caption)}" src="data:image/${type};base64,${data.toString('base64')}">`, caption),
    ),
    ...drawings.map(({ caption, svg }) => figure(svg, caption)),
  ];
  return `<section><h2>${escapeHtml(title)}</h2>
<p><span class="mark ${success ? 'good' : 'bad'}">${success ? 'success' : 'failed'}</span>: ${escapeHtml(result)}</p>
<table>${figures.map(([name, value]) => `<tr><td>${escapeHtml(name)}</td><td>${escapeHtml(value)}</td></tr>`).join('')}</table>
<div class="pictures">${shown.join('')}</div>
${recording === null ? '' : `<p>Everything on the bus: <a href="${encodeURI(recording)}">${escapeHtml(recording)}</a> (Foxglove, Lichtblick, ros2 bag play)</p>`}</section>`;
}

function figure(content: string, caption: string): string {
  return `<figure>${content}<figcaption>${escapeHtml(caption)}</figcaption></figure>`;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}
