import { DEFAULT_QOS, type Bus, type Publisher } from '../bus/bus.js';
import type { Float64Message } from '../bus/messages.js';
import type { ActionChunk } from '../core/action-chunk.js';
import { InputError } from '../core/errors.js';
import type { Forecast } from '../core/forecast.js';
import type { Transform } from '../geometry/transform.js';
import { agreementOf, carriedPath, type Agreement, type CarriedPath } from '../planning/agreement.js';

export interface AgreementOptions {
  readonly topic: string;
  /** Tool centre from the flange. */
  readonly tool: Transform;
  /** Chunks further than this from the forecast, on average, are not executed, metres; null publishes only. */
  readonly gateM: number | null;
  /** Whether the gripper holds the object that is forecast. */
  readonly isHolding: () => boolean;
}

export interface AgreementFigures {
  readonly chunks: number;
  readonly mean_m: number;
  readonly max_m: number;
  readonly refused: number;
}

/** Compares a policy's chunks with the forecasts, and says how far apart they are. It means something while the object is held. */
export class AgreementMonitor {
  #options: AgreementOptions;
  readonly #publisher: Publisher<Float64Message>;
  #path: CarriedPath | null = null;
  #count = 0;
  #sum = 0;
  #most = 0;
  #refused = 0;

  constructor(bus: Bus, options: AgreementOptions) {
    this.#options = options;
    this.#publisher = bus.advertise(options.topic, 'std_msgs/msg/Float64', DEFAULT_QOS);
  }

  /** @param joints of the arm at t0. @param cameraInBase pose of the forecast's frame at t0. @throws InputError `plan.*`: it is no rigid motion. */
  saw(forecast: Forecast, joints: readonly number[], cameraInBase: Transform): void {
    this.#path = null;
    this.#path = carriedPath(forecast, joints, cameraInBase, this.#options.tool);
  }

  /**
   * Null where there is no forecast of the time. With a gate, a chunk that nothing can be said of is not executed while the object is held.
   * @throws InputError `agreement.gate`, `agreement.unknown` for a chunk that is not to be executed.
   */
  compare(chunk: ActionChunk): Agreement | null {
    const agreement = this.#path && agreementOf(chunk, this.#path, this.#options.tool);
    const { gateM, isHolding } = this.#options;
    if (!agreement || !Number.isFinite(agreement.meanM)) {
      if (gateM === null || !isHolding()) return null;
      this.#refused++;
      throw new InputError({
        code: 'agreement.unknown',
        message: 'the object is held, and no valid forecast of this time tells where it should go',
        remedy: 'the chunk is not executed; look at the forecasts, or switch the gate off',
      });
    }
    this.#publisher.publish({ data: agreement.meanM });
    this.#count++;
    this.#sum += agreement.meanM;
    this.#most = Math.max(this.#most, agreement.maxM);
    if (gateM !== null && agreement.meanM > gateM) {
      this.#refused++;
      throw new InputError({
        code: 'agreement.gate',
        message: `the policy would lead the gripper ${agreement.meanM.toFixed(3)} m away from where the forecast has the object (allowed: ${gateM} m)`,
        remedy: 'the chunk is not executed; look at the forecast, or widen the gate',
      });
    }
    return agreement;
  }

  /** Metres; null publishes only. */
  set gateM(gateM: number | null) {
    this.#options = { ...this.#options, gateM };
  }

  clear(): void {
    this.#path = null;
  }

  /** Null when nothing was compared. */
  figures(): AgreementFigures | null {
    if (this.#count === 0) return null;
    return { chunks: this.#count, mean_m: this.#sum / this.#count, max_m: this.#most, refused: this.#refused };
  }

  close(): void {
    this.#publisher.close();
  }
}
