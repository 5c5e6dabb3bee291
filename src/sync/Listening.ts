import { ChangeLog } from "./ChangeLog.ts";
import { OpenStreams } from "./OpenStreams.ts";

/** What the listeners of one isolate share. Plain data: promises belong to the request that made them. */
export class Listening {
  readonly changes = new ChangeLog();
  readonly streams = new OpenStreams();
  /** When the flights of an origin's method were last forgotten, or will be; epoch ms. */
  readonly forgottenAt = new Map<string, number>();
  /** Until when what was not found in KV need not be looked for again, by address; epoch ms. */
  readonly absentUntil = new Map<string, number>();
}
