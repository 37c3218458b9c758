import type { DiagnosticArray, DiagnosticStatus } from '../bus/messages.js';
import { toTimeMessage, type Nanoseconds } from '../core/time.js';
import type { ExecutionStage } from './execution-stage.js';
import type { Refusal } from './refusals.js';

const DIAGNOSTIC_OK = 0;
const DIAGNOSTIC_WARN = 1;
const DIAGNOSTIC_ERROR = 2;

/** What the operator reads on /diagnostics. @param execution null where nobody plans. */
export function diagnosticArray(
  now: Nanoseconds,
  refusals: readonly Refusal[],
  counts: Readonly<Record<string, number>>,
  execution: ReturnType<ExecutionStage['status']> | null,
): DiagnosticArray {
  return {
    header: { stamp: toTimeMessage(now), frame_id: '' },
    status: [
      {
        level: refusals.length === 0 ? DIAGNOSTIC_OK : DIAGNOSTIC_WARN,
        name: 'molmo_motion_planner',
        message:
          refusals.length === 0
            ? 'all inputs are usable'
            : refusals.map((r) => `${r.message} (${r.count} times)`).join('; '),
        hardware_id: '',
        values: [
          ...Object.entries(counts).map(([key, value]) => ({ key, value: String(value) })),
          ...refusals.map((r) => ({ key: `${r.stage}.${r.code}`, value: String(r.count) })),
        ],
      },
      ...(execution ? [executionStatus(execution)] : []),
    ],
  };
}

function executionStatus({ phase, dryRun, lastStop }: ReturnType<ExecutionStage['status']>): DiagnosticStatus {
  const isStopped = phase === 'stopping' || phase === 'stopped';
  return {
    level: isStopped ? DIAGNOSTIC_ERROR : DIAGNOSTIC_OK,
    name: 'molmo_motion_planner: execution',
    message: isStopped && lastStop ? `${phase}: ${lastStop.message}. ${lastStop.remedy}` : phase,
    hardware_id: '',
    values: [
      { key: 'phase', value: phase },
      { key: 'dry_run', value: String(dryRun) },
      { key: 'last_stop', value: lastStop?.code ?? '' },
    ],
  };
}
