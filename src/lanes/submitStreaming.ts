import type { Submission, Submitted } from "../outbox/Submission.ts";
import { EventOutlet } from "../sync/EventOutlet.ts";
import { pause } from "../sync/pause.ts";
import { reasonOf } from "../telemetry/events.ts";
import type { Answer, Exchange } from "./Exchange.ts";
import { leave, submit } from "./submit.ts";

/** Clients want a sign of life every 15 s. The runtime wants one sooner: it learns that a caller has left when it writes. */
const KEEP_ALIVE_MS = 5_000;
const EVENTS = { "content-type": "text/event-stream", "cache-control": "no-store", "x-accel-buffering": "no" };

/** How a call is told of. */
export interface Streaming {
  /** The caller's progress token. */
  token: string | number;
  /** Whether its caller cancels it by leaving. */
  leaves: boolean;
  /** What has become of it, in the caller's words. */
  told: (submitted: Submitted | undefined) => Promise<Answer>;
  /** Called when a stream is over. */
  ended: () => void;
}

/**
 * Gives a call to the outbox whose caller wants to hear of its progress: a stream of that, and of the answer. One that is there
 * before anything else has to be said is an answer like any other.
 */
export async function submitStreaming(
  x: Exchange,
  submission: Submission,
  { token, leaves, told, ended }: Streaming,
): Promise<Answer> {
  const over = new AbortController();
  const begun = new AbortController();
  let hasLeft = !leaves;
  const left = () => {
    if (!hasLeft && !over.signal.aborted) x.waitUntil(leave(x, submission));
    hasLeft = true;
  };
  const outlet = new EventOutlet(left);
  x.left().addEventListener("abort", left, { once: true });
  const submitting = submit(x, submission, (progress) => {
    begun.abort();
    const params = { progressToken: token, ...progress };
    // Of what a caller does not keep up with, the latest will come.
    if (outlet.hasRoom) outlet.send(JSON.stringify({ jsonrpc: "2.0", method: "notifications/progress", params }));
  }).finally(() => over.abort());
  x.waitUntil(submitting);
  const somethingToSay = AbortSignal.any([begun.signal, over.signal]);
  await pause(KEEP_ALIVE_MS, somethingToSay);
  if (over.signal.aborted && !begun.signal.aborted) return told(await submitting);

  const work = async () => {
    // It has waited for as long.
    if (!begun.signal.aborted) outlet.keepAlive();
    const alive = setInterval(() => outlet.keepAlive(), KEEP_ALIVE_MS);
    try {
      const answer = await told(await submitting);
      if (answer.kind === "message") outlet.send(answer.text);
      else if (answer.kind === "failure") outlet.send(x.word(answer.failure, x.body));
    } catch (error) {
      x.report({ type: "defect", reason: reasonOf(error), correlationId: x.trace.correlationId });
    } finally {
      clearInterval(alive);
      outlet.close();
      ended();
    }
  };
  x.waitUntil(work());
  const response = new Response(outlet.stream, { headers: EVENTS });
  return { kind: "stream", response, outcome: { kind: "forward", why: "bypass" } };
}
