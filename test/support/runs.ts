import { inject } from "vitest";

declare module "vitest" {
  interface ProvidedContext {
    /** Whether this is the soak: `npm run test:soak`. */
    isSoak: boolean;
  }
}

/** How many cases a property is tried with: `normal` in `npm test`, `soak` in `npm run test:soak`. */
export function runs(normal: number, soak: number): number {
  return inject("isSoak") ? soak : normal;
}

/** How long a test may take that sets itself a limit, in ms: `normal` in `npm test`, an hour in the soak. */
export function timeLimitMs(normal: number): number {
  return inject("isSoak") ? 3_600_000 : normal;
}
