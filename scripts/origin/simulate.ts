import { setTimeout as wait } from "node:timers/promises";

/** A slow or failing network, off by default. */
export interface Simulation {
  /** How long each POST is held before it is served, in ms. Default 0. */
  latencyMs?: number;
  /** How far that may vary either way, in ms. Default 0. */
  jitterMs?: number;
  /** The share of POSTs to fail, from 0 to 1. Default 0. */
  failRate?: number;
  /** Numbers from 0 up to but not 1. Drawn once for the jitter, where there is any, then once for the failure. */
  random?: () => number;
}

/** What becomes of a POST: it is served, it fails, or its caller left while it was held. */
export type Fate = "serve" | "fail" | "gone";

/** Holds a POST as long as the simulation has it, then tells what becomes of it. */
export async function simulate(simulation: Simulation, signal: AbortSignal): Promise<Fate> {
  const { latencyMs = 0, jitterMs = 0, failRate = 0, random = Math.random } = simulation;
  const delay = Math.max(0, latencyMs + (jitterMs > 0 ? (random() * 2 - 1) * jitterMs : 0));
  const fate: Fate = failRate > 0 && random() < failRate ? "fail" : "serve";
  if (delay === 0) return fate;
  return wait(delay, fate, { signal }).catch((): Fate => "gone");
}
