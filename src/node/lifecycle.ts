import { Subject, type Observable } from 'rxjs';
import { DEFAULT_QOS, type Bus, type Publisher } from '../bus/bus.js';
import type { LifecycleLabel, MessageTypes } from '../bus/messages.js';
import { RetryableError } from '../core/errors.js';
import {
  ALL_STATES,
  availableTransitions,
  describeTransition,
  outcomeLabel,
  stateLabel,
  TRANSITIONS,
  transitionLabel,
  type LifecycleState,
  type PrimaryState,
  type Transition,
  type TransitionName,
} from './lifecycle-states.js';

/** What a node does on its way from one state to another. A step that rejects leaves the node where it was. */
export interface LifecycleSteps {
  readonly configure: () => Promise<void>;
  readonly activate: () => Promise<void>;
  readonly deactivate: () => Promise<void>;
  readonly cleanup: () => Promise<void>;
  /** From any state; whatever is open is closed. */
  readonly shutdown: () => Promise<void>;
}

/** Steps after whose failure nobody knows what still runs: the node closes everything and begins anew. */
const MUST_SUCCEED: readonly TransitionName[] = ['deactivate', 'cleanup'];

/**
 * A managed node: the states, services and events of the ROS 2 node lifecycle over a bus. It is made here because rclnodejs's own lifecycle node takes
 * only steps that are done when they return, and opening a model takes seconds during which the node has to stay responsive.
 */
export class Lifecycle {
  /** Failed steps, with what they failed of. */
  readonly failures: Observable<unknown>;
  readonly #failures = new Subject<unknown>();
  readonly #steps: LifecycleSteps;
  readonly #events: Publisher<MessageTypes['lifecycle_msgs/msg/TransitionEvent']>;
  readonly #closing: (() => void)[];
  #state: LifecycleState = 'unconfigured';

  /** @param name of the node, such as `/left/molmo_motion`; its services lie below it. */
  constructor(bus: Bus, name: string, steps: LifecycleSteps) {
    this.#steps = steps;
    this.failures = this.#failures.asObservable();
    this.#events = bus.advertise(`${name}/transition_event`, 'lifecycle_msgs/msg/TransitionEvent', DEFAULT_QOS);
    const transitions = (
      list: readonly Transition[],
    ): { available_transitions: ReturnType<typeof describeTransition>[] } => ({
      available_transitions: list.map(describeTransition),
    });
    this.#closing = [
      bus.serve(`${name}/change_state`, 'lifecycle_msgs/srv/ChangeState', async ({ transition }) => ({
        success: await this.#asked(transition),
      })),
      bus.serve(`${name}/get_state`, 'lifecycle_msgs/srv/GetState', () =>
        Promise.resolve({ current_state: stateLabel(this.#state) }),
      ),
      bus.serve(`${name}/get_available_states`, 'lifecycle_msgs/srv/GetAvailableStates', () =>
        Promise.resolve({ available_states: [...ALL_STATES] }),
      ),
      bus.serve(`${name}/get_available_transitions`, 'lifecycle_msgs/srv/GetAvailableTransitions', () =>
        Promise.resolve(transitions(availableTransitions(this.#state))),
      ),
      bus.serve(`${name}/get_transition_graph`, 'lifecycle_msgs/srv/GetAvailableTransitions', () =>
        Promise.resolve(transitions(TRANSITIONS)),
      ),
    ];
  }

  get state(): LifecycleState {
    return this.#state;
  }

  /** @returns the state it led to. Rejects with the error of the step, and with RetryableError `lifecycle.transition` where there is no such way. */
  async change(name: TransitionName): Promise<PrimaryState> {
    const transition = availableTransitions(this.#state).find((one) => one.name === name);
    if (!transition) throw noTransition(name, this.#state);
    return this.#pass(transition);
  }

  close(): void {
    for (const end of this.#closing) end();
    this.#events.close();
    this.#failures.complete();
  }

  /** Callers name a transition by its number, or by its label where they give one. */
  async #asked({ id, label }: LifecycleLabel): Promise<boolean> {
    const available = availableTransitions(this.#state);
    const asked = available.find((one) => (label === '' ? one.id === id : one.name === label));
    if (!asked) {
      this.#failures.next(noTransition(label === '' ? `number ${id}` : label, this.#state));
      return false;
    }
    try {
      await this.#pass(asked);
      return true;
    } catch {
      // Told on `failures`; the caller learns that it failed.
      return false;
    }
  }

  async #pass(transition: Transition): Promise<PrimaryState> {
    const { name, from, through, to } = transition;
    this.#move(transitionLabel(transition), through);
    try {
      await this.#steps[name]();
    } catch (error) {
      this.#failures.next(error);
      if (MUST_SUCCEED.includes(name)) await this.#recover(through);
      else this.#move(outcomeLabel(through, 'failure'), name === 'shutdown' ? 'finalized' : from);
      throw error;
    }
    this.#move(outcomeLabel(through, 'success'), to);
    return to;
  }

  async #recover(through: LifecycleState): Promise<void> {
    this.#move(outcomeLabel(through, 'error'), 'errorprocessing');
    try {
      await this.#steps.shutdown();
      this.#move(outcomeLabel('errorprocessing', 'success'), 'unconfigured');
    } catch (error) {
      this.#failures.next(error);
      this.#move(outcomeLabel('errorprocessing', 'failure'), 'finalized');
    }
  }

  #move(transition: LifecycleLabel, to: LifecycleState): void {
    const from = this.#state;
    this.#state = to;
    this.#events.publish({
      timestamp: process.hrtime.bigint(),
      transition,
      start_state: stateLabel(from),
      goal_state: stateLabel(to),
    });
  }
}

function noTransition(name: string, state: LifecycleState): RetryableError {
  const ways = availableTransitions(state).map((one) => one.name);
  return new RetryableError({
    code: 'lifecycle.transition',
    message: `the node is ${state}, from where there is no transition ${name}`,
    remedy: ways.length === 0 ? 'wait until the transition that is under way is over' : `there are: ${ways.join(', ')}`,
  });
}
