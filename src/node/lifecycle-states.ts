import type { LifecycleLabel, TransitionDescriptionMessage } from '../bus/messages.js';

/*
 * The states and transitions of a managed node, with the numbers of lifecycle_msgs and the labels of rcl_lifecycle
 * (https://design.ros2.org/articles/node_lifecycle.html).
 */

export type PrimaryState = 'unconfigured' | 'inactive' | 'active' | 'finalized';
export type TransitionName = 'configure' | 'cleanup' | 'activate' | 'deactivate' | 'shutdown';
type PassingState = 'configuring' | 'cleaningup' | 'activating' | 'deactivating' | 'shuttingdown' | 'errorprocessing';
export type LifecycleState = PrimaryState | PassingState;

const STATE_IDS: Readonly<Record<LifecycleState, number>> = {
  unconfigured: 1,
  inactive: 2,
  active: 3,
  finalized: 4,
  configuring: 10,
  cleaningup: 11,
  shuttingdown: 12,
  activating: 13,
  deactivating: 14,
  errorprocessing: 15,
};

export interface Transition {
  readonly id: number;
  readonly name: TransitionName;
  readonly from: PrimaryState;
  readonly through: PassingState;
  readonly to: PrimaryState;
}

export const TRANSITIONS: readonly Transition[] = [
  { id: 1, name: 'configure', from: 'unconfigured', through: 'configuring', to: 'inactive' },
  { id: 2, name: 'cleanup', from: 'inactive', through: 'cleaningup', to: 'unconfigured' },
  { id: 3, name: 'activate', from: 'inactive', through: 'activating', to: 'active' },
  { id: 4, name: 'deactivate', from: 'active', through: 'deactivating', to: 'inactive' },
  { id: 5, name: 'shutdown', from: 'unconfigured', through: 'shuttingdown', to: 'finalized' },
  { id: 6, name: 'shutdown', from: 'inactive', through: 'shuttingdown', to: 'finalized' },
  { id: 7, name: 'shutdown', from: 'active', through: 'shuttingdown', to: 'finalized' },
];

/** How a transition ended, by the tens of lifecycle_msgs: configure 10, cleanup 20, activate 30, deactivate 40, shutdown 50, error 60. */
const OUTCOME_BASE: Readonly<Record<PassingState, number>> = {
  configuring: 10,
  cleaningup: 20,
  activating: 30,
  deactivating: 40,
  shuttingdown: 50,
  errorprocessing: 60,
};
const OUTCOMES = { success: 0, failure: 1, error: 2 } as const;
export type Outcome = keyof typeof OUTCOMES;

export function stateLabel(state: LifecycleState): LifecycleLabel {
  return { id: STATE_IDS[state], label: state };
}

export function transitionLabel({ id, name }: Transition): LifecycleLabel {
  return { id, label: name };
}

export function outcomeLabel(state: LifecycleState, outcome: Outcome): LifecycleLabel {
  return { id: OUTCOME_BASE[state as PassingState] + OUTCOMES[outcome], label: `transition_${outcome}` };
}

export function availableTransitions(state: LifecycleState): readonly Transition[] {
  return TRANSITIONS.filter(({ from }) => from === state);
}

export function describeTransition(transition: Transition): TransitionDescriptionMessage {
  return {
    transition: transitionLabel(transition),
    start_state: stateLabel(transition.from),
    goal_state: stateLabel(transition.to),
  };
}

export const ALL_STATES: readonly LifecycleLabel[] = (Object.keys(STATE_IDS) as LifecycleState[]).map(stateLabel);
