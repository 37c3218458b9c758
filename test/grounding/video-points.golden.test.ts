import { expect, it } from '@jest/globals';
import { parseTextPoints } from '../../src/grounding/text-points.js';
import { videoPoints } from '../../src/grounding/video-points.js';
import { describeShared, sharedJson } from '../golden/shared.js';

interface Row {
  readonly name: string;
  readonly kind: string;
  readonly text: string;
  readonly size: readonly [number, number];
  readonly result: { readonly extract_tracks: readonly Frame[] | { readonly raises: string } };
}
interface Frame {
  readonly time: number;
  readonly points: Readonly<Record<string, { readonly point: readonly number[] }>>;
}

describeShared('tracks in the answers of Molmo2', 'golden/point/text-formats', () => {
  const { rows } = sharedJson<{ readonly rows: readonly Row[] }>('golden', 'point', 'text-formats', 'case.json');
  // Older models wrote percentages in other formats, which are not read here.
  const current = rows.filter(({ kind, name }) => kind === 'video' && !name.startsWith('legacy'));
  it.each(current.map((row) => [row.name, row] as const))('%s', (_, { text, size: [width, height], result }) => {
    const found = videoPoints(parseTextPoints(text, () => ({ width, height })));
    const { extract_tracks: expected } = result;
    // Where the reference raises an exception, for a time that is no number, nothing is found here.
    const rows = Array.isArray(expected)
      ? (expected as readonly Frame[]).flatMap(({ time, points }) =>
          Object.entries(points).map(([id, { point }]) => [time, Number(id), ...point]),
        )
      : [];
    expect(found).toHaveLength(rows.length);
    found.forEach(({ frame, id, pixel }, i) => {
      [frame, id, ...pixel].forEach((value, k) => {
        expect(value).toBeCloseTo(rows[i]![k]!, 6);
      });
    });
  });
});
