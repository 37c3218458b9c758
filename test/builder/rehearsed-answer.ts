import { greedyAnswer, type AnswerDecoder, type DecodedPass } from '../../src/builder/parts/decoding-loop.js';
import { TrackGuess } from '../../src/builder/parts/track-guess.js';
import { InferenceWorker } from '../../src/inference/inference-worker.js';
import { intValue } from '../../src/inference/model.js';
import type { TrackTokens } from '../../src/inference/track-tokens.js';
import { Algebra } from '../../src/onnx/algebra.js';
import type { Tensor } from '../../src/onnx/graph.js';

/** Says an answer that is known beforehand, whatever it reads. */
class Rehearsed implements AnswerDecoder {
  readonly state = [];

  constructor(
    readonly vocabulary: number,
    private readonly answer: Tensor,
  ) {}

  logits(g: Algebra): Tensor {
    return this.#scores(g, g.slice(this.answer, 0, 0, 1));
  }

  pass(g: Algebra, tokens: Tensor, answered: Tensor): DecodedPass {
    const start = g.add(answered, g.int(1));
    return { logits: this.#scores(g, g.slice(this.answer, 0, start, g.add(start, g.size(tokens, 0)))), state: [] };
  }

  #scores(g: Algebra, tokens: Tensor): Tensor {
    const ids = g.ints(
      Array.from({ length: this.vocabulary }, (_, id) => id),
      [1, this.vocabulary],
    );
    return g.cast(g.equal(g.unsqueeze(tokens, [1]), ids), 'float32');
  }
}

export interface RehearsedRun {
  readonly tokens: number[];
  /** That of the prompt among them. */
  readonly passes: number;
}

/** The decoding loop of the bundles over answers that are known beforehand. */
export class RehearsedAnswers {
  readonly #worker: InferenceWorker;
  /** Only the tokens that occur have scores: a vocabulary of 152,000 would take most of the time. */
  readonly #ids: ReadonlyMap<number, number>;

  private constructor(worker: InferenceWorker, ids: ReadonlyMap<number, number>) {
    this.#worker = worker;
    this.#ids = ids;
  }

  /** @param occurring every token of the prompts and answers that will be asked for. */
  static async open(tokens: TrackTokens, eos: number, occurring: Iterable<number>): Promise<RehearsedAnswers> {
    const all = [...Object.values(tokens).flat(), eos, ...occurring] as readonly number[];
    const ids = new Map([...new Set(all)].map((id, index) => [id, index]));
    const small = Object.fromEntries(
      Object.entries(tokens).map(([name, value]) => [
        name,
        typeof value === 'number' ? ids.get(value) : value.map((id: number) => ids.get(id)),
      ]),
    ) as TrackTokens;
    const g = new Algebra({ tracing: false });
    const prompt = g.input('prompt', 'int64', ['prompt_tokens']);
    const answer = g.input('answer', 'int64', ['answer_tokens']);
    const maxNewTokens = g.input('max_new_tokens', 'int64', []);
    const most = g.input('draft', 'int64', []);
    const guess = new TrackGuess(g, small, prompt);
    const said = greedyAnswer(g, new Rehearsed(ids.size, answer), answer, {
      maxNewTokens,
      eos: ids.get(eos)!,
      draft: { most, guess: (inner, soFar, count) => guess.after(inner, soFar, count) },
    });
    g.output('tokens', said.tokens, ['tokens']);
    g.output('passes', said.passes, []);
    const worker = await InferenceWorker.start({ task: 'rehearsal', graph: g.toModel(), provider: 'cpu', threads: 1 });
    return new RehearsedAnswers(worker, ids);
  }

  /** @param answer is made longer than any guess, since the loop may look behind its end. */
  async run(prompt: readonly number[], answer: readonly number[], draft: number, most = 10_000): Promise<RehearsedRun> {
    const small = (tokens: readonly number[]): number[] => tokens.map((id) => this.#ids.get(id)!);
    const padded = [...small(answer), ...Array<number>(draft + 1).fill(0)];
    const { outputs } = await this.#worker.run({
      prompt: intValue(small(prompt), [prompt.length]),
      answer: intValue(padded, [padded.length]),
      max_new_tokens: intValue([most], []),
      draft: intValue([draft], []),
    });
    const large = [...this.#ids.keys()];
    return {
      tokens: [...(outputs['tokens']!.data as BigInt64Array)].map((id) => large[Number(id)]!),
      passes: Number(outputs['passes']!.data[0]!) + 1,
    };
  }

  close(): Promise<void> {
    return this.#worker.close();
  }
}
