import type { EpisodesReport, SuccessShare } from '../evaluation/episodes.js';
import { print, printTable } from './terminal.js';

/** The report of an evaluation, for people. */
export function showEpisodes({
  success,
  failures,
  forecast_error_m: error,
  chunk_latency_ms: latency,
  limiter,
  ...report
}: EpisodesReport): void {
  const row = (name: string, { succeeded, episodes, rate }: SuccessShare): (string | number)[] => [
    name,
    `${succeeded} of ${episodes}`,
    rate === null ? '-' : `${(100 * rate).toFixed(1)} %`,
  ];
  printTable(
    ['episodes', 'succeeded', ''],
    [
      row('all', success),
      row('seen objects', success.seen_object),
      row('unseen objects', success.unseen_object),
      row('seen layouts', success.seen_layout),
      row('unseen layouts', success.unseen_layout),
    ],
  );
  const number = (value: number | null, digits: number): string => value?.toFixed(digits) ?? '-';
  print(
    `forecasts of the held object: ADE ${number(error.ADE, 4)} m, FDE ${number(error.FDE, 4)} m from where its points then went`,
  );
  print(`${latency.chunks} chunks: p50 ${number(latency.p50, 1)} ms, p95 ${number(latency.p95, 1)} ms`);
  const limited = Object.entries(limiter.limited).map(([reason, times]) => `${reason} ${times}`);
  print(
    `${limiter.commands} commands, ${limiter.holds} of them holding; joints limited: ${limited.join(', ') || 'never'}; ${limiter.stops} stops`,
  );
  print(
    `${report.simulated_s.toFixed(0)} s simulated in ${report.wall_s.toFixed(0)} s (${number(report.times_real_time, 2)} times real time)`,
  );
  for (const { seed, failure } of report.episodes)
    if (failure) print(`seed ${seed}: ${failure.code}: ${failure.message}`);
  for (const [code, times] of Object.entries(failures)) print(`failed by ${code}: ${times}`);
}
