import { expect, it } from '@jest/globals';
import { parseTextPoints } from '../../src/grounding/text-points.js';
import { describeShared, sharedJson } from '../golden/shared.js';

interface Row {
  readonly name: string;
  readonly kind: 'image' | 'images' | 'video';
  readonly text: string;
  readonly size?: readonly [number, number];
  readonly sizes?: readonly (readonly [number, number])[];
  readonly result: { readonly unified_only: readonly (readonly number[])[] | { readonly raises: string } };
}

describeShared('points in the answers of Molmo2', 'golden/point/text-formats', () => {
  const { rows } = sharedJson<{ readonly rows: readonly Row[] }>('golden', 'point', 'text-formats', 'case.json');
  // Seconds in place of a picture's number, an exception of the reference, are taken as that number here.
  const seconds = 'seconds where an image number belongs';
  it.each(rows.filter(({ kind, name }) => kind !== 'video' && name !== seconds).map((row) => [row.name, row] as const))(
    '%s',
    (_, row) => {
      const sizes = row.sizes ?? [row.size!];
      const found = parseTextPoints(row.text, (frame) => {
        const size = row.kind === 'image' ? sizes[0] : sizes[frame - 1];
        return size && { width: size[0], height: size[1] };
      });
      const { unified_only: expected } = row.result;
      // A picture that was not shown is an exception of the reference (or, by a slip of its indices, the last picture), and nothing here.
      if (!Array.isArray(expected) || row.name === 'image number zero') {
        expect(found).toEqual([]);
        return;
      }
      const flat = found.map(({ frame, pixel }) => (row.kind === 'image' ? pixel : [frame, ...pixel]));
      expect(flat).toHaveLength(expected.length);
      flat.forEach((point, i) => {
        point.forEach((value, axis) => {
          expect(value).toBeCloseTo((expected as readonly (readonly number[])[])[i]![axis]!, 6);
        });
      });
    },
  );
});
