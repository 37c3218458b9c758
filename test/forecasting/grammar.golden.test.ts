import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from '@jest/globals';
import { PlannerError } from '../../src/core/errors.js';
import type { Vector3 } from '../../src/core/vector.js';
import { chatText, forecastPrompt, intoCameraFrame } from '../../src/forecasting/prompt.js';
import { parsePredictionRecords } from '../../src/forecasting/prediction-records.js';
import { StoredForecaster } from '../../src/forecasting/stored.js';
import {
  parseTracks,
  trackPositions,
  UnparsableAnswerError,
  type TrackFrames,
} from '../../src/forecasting/track-grammar.js';
import { decodeNpy } from '../../src/tensors/npy.js';
import { describeShared, sharedJson, sharedPath } from '../golden/shared.js';

const npy = (name: string): any => decodeNpy(readFileSync(sharedPath('golden/motion/parser', name)));

describeShared('answers as the reference parses them', 'golden/motion/parser/answers.json', () => {
  const golden = sharedJson<any>('golden/motion/parser/answers.json');
  it.each(golden.cases.map((c: any) => [c.name, c]))('%s', (_name, c: any) => {
    if (c.parsed === null) {
      expect(() => parseTracks(c.text)).toThrow(UnparsableAnswerError);
      return;
    }
    const frames = [...parseTracks(c.text)].map(([timestamp, points]) => ({
      timestamp,
      points: points.map((p) => p.map(Number)),
    }));
    const number = (text: string): number => (text === 'nan' ? Number.NaN : text === 'inf' ? Infinity : Number(text));
    expect(frames).toEqual(
      c.parsed.map((f: any) => ({ timestamp: number(f.timestamp), points: f.points.map((p: any) => p.map(Number)) })),
    );
  });

  it.each(golden.settings.map((s: any) => [s.name, s]))('positions for %s', (_name, s: any) => {
    const deltas = npy(`deltas-${s.name}.npy`);
    const visible = npy(`visible-${s.name}.npy`);
    const future = npy(`future-${s.name}.npy`);
    golden.cases.forEach((c: any, i: number) => {
      let frames: TrackFrames;
      try {
        frames = parseTracks(c.text);
      } catch {
        return;
      }
      const layout = { points: golden.points, history: s.history, horizon: s.horizon };
      const relative = trackPositions(frames, { ...layout, anchor: [0, 0, 0] });
      const absolute = trackPositions(frames, { ...layout, anchor: golden.anchor as Vector3 });
      for (let p = 0; p < golden.points; p++) {
        for (let f = 0; f < s.horizon; f++) {
          const at = (i * golden.points + p) * s.horizon + f;
          if ((relative[p]![f] !== null) !== (visible.data[at] === 1))
            throw new Error(`${c.name}: point ${p} step ${f} is ${visible.data[at]}`);
          if (relative[p]![f] === null) continue;
          expect(relative[p]![f]!.map((v) => v + 0)).toEqual(
            [...deltas.data.slice(at * 3, at * 3 + 3)].map((v: number) => v + 0),
          );
          expect(absolute[p]![f]).toEqual([...future.data.slice(at * 3, at * 3 + 3)]);
        }
      }
    });
  });
});

describeShared('prompts as the reference words them', 'golden/motion/parser/prompts.json', () => {
  const golden = sharedJson<any>('golden/motion/parser/prompts.json');
  it.each(golden.cases.map((c: any) => [c.name, c]))('%s', (_name, c: any) => {
    const history = c.c2w_at_t0 ? intoCameraFrame(c.points_3d_history, c.c2w_at_t0) : c.points_3d_history;
    const question = forecastPrompt({ caption: c.caption, history, horizon: c.horizon });
    expect(question).toBe(c.prompt);
    expect(chatText(question, 'video_qa')).toBe(c.chat_text);
  });
  it('refuses a history that is not finite', () => {
    for (const bad of [Number.NaN, Infinity]) {
      expect(() =>
        forecastPrompt({
          caption: 'x',
          history: [
            [
              [0, 0, 1],
              [0, bad, 1],
            ],
          ],
          horizon: 3,
        }),
      ).toThrow(PlannerError);
    }
  });
});

describeShared("the released model's answers", 'real/predictions_h3.jsonl', () => {
  const rows = readFileSync(sharedPath('real/predictions_h3.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((l) => JSON.parse(l));
  const records = parsePredictionRecords(readFileSync(sharedPath('real/predictions_h3.jsonl'), 'utf8'));
  it.each(rows.map((r, i) => [r.example_id, i]))('%s gives pred_raw_combined to 1e-6 m', async (_id, i: number) => {
    const row = rows[i];
    const clip = readdirSync(sharedPath('real/clips'))
      .map((name) => sharedJson<any>('real/clips', name, 'clip.json'))
      .find((candidate) => candidate.video === row.video);
    const history = clip.points_3d_history as Vector3[][];
    const points = history.at(-1)!.map((position) => ({ pixel: [0, 0] as const, position }));
    const forecast = await new StoredForecaster(records[i]!).forecast({
      query: { camera: 'c', frameId: 'f', stamp: 0n, points, history, historyStamps: [0n, 1n, 2n], tracks: null },
      instruction: row.caption,
      window: [],
      stepS: 1 / 15,
    });
    let worst = 0;
    forecast.positions.forEach((track, p) => {
      track.forEach((position, f) => {
        for (let axis = 0; axis < 3; axis++)
          worst = Math.max(worst, Math.abs(position![axis]! - row.pred_raw_combined[p][f][axis]));
      });
    });
    expect(forecast.positions.length * forecast.positions[0]!.length).toBe(
      row.pred_raw_combined.length * row.pred_raw_combined[0].length,
    );
    expect(worst).toBeLessThan(1e-6);
  });
});
