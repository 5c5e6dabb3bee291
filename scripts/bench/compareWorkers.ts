import type { Contender } from "./contenders.ts";
import { cpuTimeOf } from "./cpuTime.ts";
import { load } from "./load.ts";
import type { Options } from "./options.ts";
import { median, quantile } from "./stats.ts";

/** How long they are asked. */
type Load = Pick<Options, "warmUpMs" | "rounds" | "sequentialMs" | "parallelMs">;

/** What was measured of one Worker: a value for each round. */
export interface Measured {
  name: string;
  /** With one connection, in µs. */
  p50: number[];
  p99: number[];
  /** Calls a second, with `CONNECTIONS`. */
  rate: number[];
  /** Processor time of workerd a call meanwhile, in µs; empty where it cannot be read. */
  cpu: number[];
}

/** How many connections make a throughput. */
export const CONNECTIONS = 32;

/** Measures the Workers in turns, so that a slow moment of the machine slows all of them. */
export async function compareWorkers(contenders: readonly Contender[], options: Load): Promise<Measured[]> {
  const measured = contenders.map(({ name }): Measured => ({ name, p50: [], p99: [], rate: [], cpu: [] }));
  for (const { url, request } of contenders) await load(url, request, CONNECTIONS, options.warmUpMs);
  for (let round = 0; round < options.rounds; round++) {
    for (const [index, { url, request, pid }] of contenders.entries()) {
      const one = measured[index]!;
      const { latencies } = await load(url, request, 1, options.sequentialMs);
      one.p50.push(quantile(latencies, 0.5));
      one.p99.push(quantile(latencies, 0.99));
      const before = cpuTimeOf(pid);
      const many = await load(url, request, CONNECTIONS, options.parallelMs);
      const after = cpuTimeOf(pid);
      one.rate.push((many.latencies.length / many.durationMs) * 1_000);
      if (before !== undefined && after !== undefined) one.cpu.push((after - before) / many.latencies.length);
    }
  }
  return measured;
}

/** How many times the one is the other: the middle of the rounds' own ratios. */
export function ratio(one: readonly number[], other: readonly number[]): number {
  return median(one.map((value, round) => value / other[round]!));
}
