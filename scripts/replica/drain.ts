import { setTimeout as wait } from "node:timers/promises";
import type { OutboxStatus } from "../../src/outbox/OutboxStatus.ts";
import { options, UsageError } from "../commandLine.ts";
import { callReplica, LOCAL_URL } from "./callReplica.ts";
import { count, grouped } from "./count.ts";
import { outboxText } from "./jobText.ts";
import { printable } from "./printable.ts";
import { progressLine, rateOf, type Screen } from "./progress.ts";

export const DRAIN_USAGE = "npm run replica -- drain [--within SECONDS] [--origin ID] [--url URL] [--json]";

/** How an outbox stands, and whose it is. */
type Standing = OutboxStatus & { origin: string };

/** `replica drain`: has all that waits in an outbox looked at now, and awaits it: until nothing has moved for `--within`. */
export async function drain(args: string[]): Promise<void> {
  const { values } = options({
    args,
    options: {
      within: { type: "string", default: "10" },
      origin: { type: "string" },
      url: { type: "string", default: LOCAL_URL },
      json: { type: "boolean" },
    },
  });
  const { within, origin, url, json } = values;
  if (!/^\d{1,5}$/.test(within)) throw new UsageError(`--within ${within}: for how many seconds nothing need move`);
  const query = new URLSearchParams({ limit: "1", ...(origin !== undefined && { origin }) });
  const look = async () => JSON.parse(await callReplica(url, `/admin/jobs?${query}`, { method: "GET" })) as Standing;
  const hurry = async () =>
    JSON.parse(await callReplica(url, "/admin/jobs", { method: "POST", body: { origin, drain: true } })) as Standing;
  const { began, now } = await awaitDrain({ hurry, look, screen: process.stderr, patienceMs: Number(within) * 1_000 });
  const rest = pendingOf(now);
  if (rest > 0) process.exitCode = 1;
  if (json) {
    console.log(JSON.stringify(now));
    return;
  }
  const ended = `${count(Math.max(0, pendingOf(began) - rest), "write")} sent or given up`;
  console.log(`${printable(now.origin)}: ${ended}; ${outboxText(now, Date.now())}`);
  if (rest > 0)
    console.error(
      "Nothing moves: they wait for the origin, or behind what is ambiguous or dead. See jobs, and status.",
    );
}

/** How to await that an outbox is empty. */
export interface Draining {
  /** Has all that waits looked at now. */
  hurry: () => Promise<Standing>;
  /** How it stands now. */
  look: () => Promise<Standing>;
  screen: Screen;
  /** Between two looks, ms. Default: 500. */
  everyMs?: number;
  /** For how long nothing need move until that is all, ms. */
  patienceMs: number;
}

/** Awaits that nothing waits to be sent any more, or that nothing moves; and shows meanwhile how far that is. */
export async function awaitDrain({
  hurry,
  look,
  screen,
  everyMs = 500,
  patienceMs,
}: Draining): Promise<{ began: Standing; now: Standing }> {
  const line = progressLine(screen, Date.now);
  const begunAt = Date.now();
  const began = await hurry();
  let now = began;
  for (let movedAt = begunAt; pendingOf(now) > 0 && Date.now() - movedAt < patienceMs;) {
    await wait(everyMs);
    const next = await look();
    // What is being sent may take its time.
    if (next.sending > 0 || pendingOf(next) !== pendingOf(now)) movedAt = Date.now();
    now = next;
    const done = Math.max(0, pendingOf(began) - pendingOf(now));
    line.show(
      `${grouped(pendingOf(now))} to be sent, ${now.sending} just now; ${rateOf(done, Date.now() - begunAt).words}`,
    );
  }
  line.end();
  return { began, now };
}

function pendingOf({ counts: { accepted, leased, retry } }: Pick<Standing, "counts">): number {
  return accepted + leased + retry;
}
