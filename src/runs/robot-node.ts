import { Subject, type Observable, type Subscription } from 'rxjs';
import { assemble } from '../assembly/assemble.js';
import type { Assembly, LiveChange } from '../assembly/assembly.js';
import type { Layer } from '../assembly/config/layers.js';
import { resolveCameras } from '../assembly/cameras.js';
import { configParameters, parameterLayer, type ParameterValue } from '../assembly/config/parameters.js';
import { parseLayers } from '../assembly/config/load-config.js';
import type { NodeConfig } from '../assembly/config/node-config.js';
import { FORECASTERS } from '../assembly/forecasters.js';
import type { ModelSource } from '../assembly/model-source.js';
import { PLANNERS } from '../assembly/planners.js';
import type { World } from '../assembly/world.js';
import type { Bus } from '../bus/bus.js';
import { ConfigurationError } from '../core/errors.js';
import { Lifecycle } from '../node/lifecycle.js';

export interface RobotNodeOptions {
  readonly bus: Bus;
  /** Of the node on the graph, such as `/left/molmo_motion`. */
  readonly name: string;
  /** Of the configuration, the last one the strongest. */
  readonly layers: readonly Layer[];
  /** Opens nothing by itself: models are opened when they are asked for. */
  readonly models: (config: NodeConfig) => ModelSource;
  /** The world as it is when the node is activated. */
  readonly world: (models: ModelSource) => World;
}

/**
 * The stages as a managed node. `configure` opens the models, `activate` connects the stages to what is published then and starts forecasting,
 * `deactivate` leads the arm to a stand and disconnects them, `cleanup` closes the models. Nothing moves before the start service is called.
 */
export class RobotNode {
  readonly lifecycle: Lifecycle;
  /** Of single forecasts and chunks. */
  readonly failures: Observable<unknown>;
  readonly #failures = new Subject<unknown>();
  readonly #options: RobotNodeOptions;
  #layers: readonly Layer[];
  #config: NodeConfig;
  #models: ModelSource | null = null;
  #assembly: Assembly | null = null;
  #subscription: Subscription | null = null;

  /** @throws ConfigurationError `config.*`. */
  constructor(options: RobotNodeOptions) {
    this.#options = options;
    this.failures = this.#failures.asObservable();
    this.#layers = options.layers;
    this.#config = parseLayers(options.layers).config;
    this.lifecycle = new Lifecycle(options.bus, options.name, {
      configure: () => this.#configure(),
      activate: () => this.#activate(),
      deactivate: () => this.#deactivate(),
      cleanup: () => this.#cleanup(),
      shutdown: async () => {
        await this.#deactivate();
        await this.#cleanup();
      },
    });
  }

  get config(): NodeConfig {
    return this.#config;
  }

  /** Null unless the node is active. */
  get assembly(): Assembly | null {
    return this.#assembly;
  }

  /**
   * Gives a setting another value: any of them before the node is configured, afterwards those that may change while it runs.
   * @throws ConfigurationError `config.*` where the value is not allowed or may not change now.
   */
  set(name: string, value: ParameterValue): void {
    const layers = [...this.#layers, parameterLayer(name, value)];
    const { config } = parseLayers(layers);
    if (this.lifecycle.state !== 'unconfigured') {
      if (!configParameters(config).some((one) => one.name === name && one.isLive))
        throw notLive(name, this.lifecycle.state);
      this.#assembly?.change(...liveChange(name, config));
    }
    this.#layers = layers;
    this.#config = config;
  }

  /** Leads the arm to a stand and closes everything. */
  async close(): Promise<void> {
    if (this.lifecycle.state !== 'finalized') {
      await this.#deactivate();
      await this.#cleanup();
    }
    this.lifecycle.close();
    this.#failures.complete();
  }

  async #configure(): Promise<void> {
    const { forecasting, planning, seed } = this.#config;
    const models = this.#options.models(this.#config);
    try {
      const world = this.#options.world(models);
      // Opened here, so that activating does not wait for them; whoever asks the same source again is given the same model.
      if (FORECASTERS.needsModel(forecasting.forecaster))
        await FORECASTERS.open(forecasting.forecaster, forecasting.options, { world, seed });
      const policy = PLANNERS.modelOf(planning.planner);
      if (policy !== null) await models.policy(policy);
    } catch (error) {
      await models.close();
      throw error;
    }
    this.#models = models;
  }

  async #activate(): Promise<void> {
    const world = this.#options.world(this.#models!);
    if (resolveCameras(this.#config.cameras, world.topics).length === 0) throw noCamera(world);
    const assembly = await assemble(this.#config, world);
    this.#assembly = assembly;
    this.#subscription = assembly.failures.subscribe((error) => {
      this.#failures.next(error);
    });
  }

  async #deactivate(): Promise<void> {
    const assembly = this.#assembly;
    if (!assembly) return;
    await this.#stand(assembly);
    this.#assembly = null;
    this.#subscription?.unsubscribe();
    await assembly.close({ keepRecording: true });
  }

  /** The braking that a stop begins takes its ticks; they must be sent before what sends them is closed. */
  async #stand(assembly: Assembly): Promise<void> {
    assembly.stop({
      code: 'lifecycle',
      message: 'the node is deactivated',
      remedy: 'activate it and start again',
      reaction: 'brake',
    });
    const { clock } = this.#options.bus;
    const end = clock.now() + LONGEST_BRAKING;
    while (assembly.status?.phase === 'stopping' && clock.now() < end)
      await clock.sleepUntil(clock.now() + BRAKING_LOOK);
  }

  async #cleanup(): Promise<void> {
    const models = this.#models;
    this.#models = null;
    await models?.close();
  }
}

/** An FR3 at its fastest stands after 0.53 s at 5 rad/s2, half of what it may brake with. */
const LONGEST_BRAKING = 2_000_000_000n;
const BRAKING_LOOK = 20_000_000n;

function liveChange(name: string, { instruction, forecasting, execution }: NodeConfig): LiveChange {
  switch (name) {
    case 'instruction.text':
      return ['instruction.text', instruction.text ?? ''];
    case 'forecasting.period_s':
      return ['forecasting.period_s', forecasting.period_s === 'auto' ? 0 : forecasting.period_s];
    case 'execution.gate_m':
      return ['execution.gate_m', execution.gate_m];
    case 'execution.dry_run':
      return ['execution.dry_run', execution.dry_run];
    default:
      throw notLive(name, 'active');
  }
}

function notLive(name: string, state: string): ConfigurationError {
  return new ConfigurationError({
    code: 'config.live',
    message: `${name} cannot change while the node is ${state}`,
    remedy: 'deactivate and clean up the node, set it, then configure and activate again',
  });
}

function noCamera({ topics }: World): ConfigurationError {
  const pictures = topics.filter(({ type }) => type.includes('Image')).map(({ topic }) => topic);
  return new ConfigurationError({
    code: 'camera.none',
    message: `no camera is published (topics with pictures: ${pictures.join(', ') || 'none'}; a camera needs a CameraInfo beside its colour picture)`,
    remedy: 'start the camera driver, or name its topics under cameras',
  });
}
