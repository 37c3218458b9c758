import { describe, expect, it } from '@jest/globals';
import sharp from 'sharp';
import type { Vector3 } from '../../src/core/vector.js';
import { CameraModel } from '../../src/geometry/camera-model.js';
import { cssColor, timeColor } from '../../src/visualization/colors.js';
import { episodesPage, type EpisodeSection } from '../../src/visualization/episodes-page.js';
import { overlayPicture, overlayPng } from '../../src/visualization/overlay.js';
import { planPicturePng, planPictureSvg } from '../../src/visualization/plan-picture.js';

const HEAD = { title: 'the demo', credits: 'Forecasts: A. Plans: B.', summary: '1 of 2 succeeded', horizonS: 2 };
const EPISODE: EpisodeSection = {
  title: 'Put the <red> cube away',
  success: true,
  result: 'in place',
  figures: [['seed', '1']],
  film: { caption: 'What the camera saw', data: Buffer.from('film') },
  pictures: [{ caption: 'The forecast', data: Buffer.from('picture') }],
  drawings: [{ caption: 'Joints', svg: '<svg></svg>' }],
  recording: 'episode_1.mcap',
};

describe('the page of episodes', () => {
  const page = episodesPage(HEAD, [
    { ...EPISODE, title: 'first good' },
    { ...EPISODE, title: 'first bad', success: false },
    { ...EPISODE, title: 'second good' },
    { ...EPISODE, title: 'second bad', success: false, film: null },
  ]);

  it('says first whose forecasts and plans it shows', () => {
    const text = page.slice(page.indexOf('</h1>')).replaceAll(/<[^>]*>/g, ' ');
    expect(text.trim()).toMatch(/^Forecasts: A\. Plans: B\.\s+1 of 2 succeeded/);
  });

  it('shows what failed before what succeeded', () => {
    const titles = [...page.matchAll(/<h2>(.*?)<\/h2>/g)].map(([, title]) => title);
    expect(titles).toEqual(['first bad', 'second bad', 'first good', 'second good']);
  });

  it('has a legend of the colours of time, where there is a forecast', () => {
    expect(page).toMatch(/coloured by time: now.*in 2\.0 s/);
    for (const at of [0, 0.5, 1]) expect(page).toContain(cssColor(timeColor(at)));
    expect(episodesPage({ ...HEAD, horizonS: null }, [EPISODE])).not.toContain('coloured by time');
  });

  it('has films that can be paused and dragged, and a button to enlarge each of its pictures', () => {
    expect(page.match(/<video controls /g)).toHaveLength(3);
    // Four episodes of a film, a picture and a drawing, but for one film.
    expect(page.match(/<button /g)).toHaveLength(11);
    expect(page.match(/<figure>/g)).toHaveLength(11);
  });

  it('follows dark mode, and needs nothing beside it', () => {
    expect(page).toContain('@media (prefers-color-scheme: dark)');
    expect(page).not.toMatch(/(src|href)="https?:/);
    expect(episodesPage(HEAD, [EPISODE])).toContain('Put the &#60;red&#62; cube away');
  });
});

describe('pictures of plans', () => {
  const points: Vector3[][] = [
    [
      [0, 0, 0],
      [0.1, 0, 0],
      [0.1, 0, 0.2],
    ],
  ];
  const picture = { points, tool: points[0]!, caption: 'a < b' };

  it('have the colour of the text around them, but for the colours of time', () => {
    const svg = planPictureSvg(picture);
    expect(svg).not.toMatch(/(stroke|fill)="(black|white)"/);
    expect(svg).toContain('stroke="currentColor"');
    expect(svg).toContain(`stroke="${cssColor(timeColor(0))}"`);
    expect(svg).toContain('a &lt; b');
  });

  it('are on white as PNG', async () => {
    const { data, info } = await sharp(await planPicturePng(picture))
      .raw()
      .toBuffer({ resolveWithObject: true });
    expect([info.channels, [...data.subarray(0, 3)]]).toEqual([3, [255, 255, 255]]);
  });
});

describe('overlays', () => {
  const camera = new CameraModel({ width: 64, height: 36, fx: 60, fy: 60, cx: 31.5, cy: 17.5 });
  const query = {
    camera: 'exo',
    frameId: 'exo',
    stamp: 0n,
    // The pixel in the middle of the picture.
    points: [{ pixel: [31.5, 17.5] as const, position: [0, 0, 1] as const }],
    history: [[[0, 0, 1] as const]],
    historyStamps: [0n],
    tracks: null,
  };
  const content = {
    image: { width: 64, height: 36, data: new Uint8Array(64 * 36 * 3) },
    camera,
    query,
    forecast: null,
    caption: '',
  };

  it('are drawn at the size that is asked for', async () => {
    expect(await sharp(await overlayPng(content)).metadata()).toMatchObject({ width: 64, height: 36 });
    const { width, height, data } = await overlayPicture({ ...content, scale: 4 });
    expect([width, height, data.length]).toEqual([256, 144, 256 * 144 * 3]);
    // The white dot of the query point, in the middle.
    const middle = (72 * 256 + 128) * 3;
    expect([...data.subarray(middle, middle + 3)]).toEqual([255, 255, 255]);
    expect([...data.subarray(0, 3)]).toEqual([0, 0, 0]);
  });
});
