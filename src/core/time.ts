/** Instants and durations are integer nanoseconds, as ROS stamps are: float64 seconds lose microseconds on epoch times. */
export type Nanoseconds = bigint;

/** builtin_interfaces/Time as it appears in messages. */
export interface TimeMessage {
  sec: number;
  nanosec: number;
}

const NS_PER_S = 1_000_000_000n;

export function fromTimeMessage(time: TimeMessage): Nanoseconds {
  return BigInt(time.sec) * NS_PER_S + BigInt(time.nanosec);
}

export function toTimeMessage(instant: Nanoseconds): TimeMessage {
  // Floor division, so that instants before the epoch keep nanosec in [0, 1e9) as ROS requires.
  const nanosec = ((instant % NS_PER_S) + NS_PER_S) % NS_PER_S;
  return { sec: Number((instant - nanosec) / NS_PER_S), nanosec: Number(nanosec) };
}

export function fromSeconds(seconds: number): Nanoseconds {
  return BigInt(Math.round(seconds * 1e9));
}

/** For durations and display; an epoch instant keeps about 0.2 us. */
export function toSeconds(duration: Nanoseconds): number {
  return Number(duration) / 1e9;
}

/** Seconds between two pictures and between two future steps: 15 Hz, as MolmoMotion and MolmoBot were trained. */
export const MODEL_STEP_S = 1 / 15;
