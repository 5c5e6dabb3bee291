import { outboxObject } from "../origin/outboxObject.ts";
import type { Submission, SubmissionEvent, Submitted } from "../outbox/Submission.ts";
import { reasonOf } from "../telemetry/events.ts";
import type { Exchange } from "./Exchange.ts";
import { within } from "./within.ts";

/** What is told of a call on the way. */
export type Progress = Extract<SubmissionEvent, { progress: unknown }>["progress"];

/** Beyond what the call itself may take: for what is said of it to others, and for the way. */
const PATIENCE_MS = 60_000;

/**
 * Gives a call to the outbox, and waits for what becomes of it; `undefined` where nobody can tell whether it was taken.
 * `heard` gets what the origin tells on the way. An object that is lost meanwhile is asked once more, under the same id: so
 * the call is taken once, however often it is given. Never throws.
 */
export async function submit(
  x: Exchange,
  submission: Submission,
  heard?: (progress: Progress) => void,
): Promise<Submitted | undefined> {
  const { firstByteMs, totalMs } = x.origin.settings;
  const waitMs = submission.patienceMs + firstByteMs + totalMs + PATIENCE_MS;
  for (let tries = 0; tries < 2; tries++) {
    try {
      // One that has failed is of no use any more.
      const object = outboxObject(x.env, x.origin.settings);
      const asked = heard ? watched(await object.watch(submission), heard) : object.submit(submission);
      return await within(waitMs, asked);
    } catch (error) {
      const { id: operation } = submission;
      const { correlationId } = x.trace;
      const reason = reasonOf(error);
      x.report({ type: "outbox-unreachable", origin: x.origin.settings.id, operation, reason, correlationId });
    }
  }
  return undefined;
}

/** Tells the outbox that the caller of a submission has left. */
export async function leave(x: Exchange, { id }: Pick<Submission, "id">): Promise<void> {
  try {
    await outboxObject(x.env, x.origin.settings).leave(id);
  } catch {
    // What it was told, it would not have heard: the call goes on, as any does whose caller is lost.
  }
}

/** The outcome at the end of a stream of events, each a line of JSON. */
async function watched(events: ReadableStream<Uint8Array>, heard: (progress: Progress) => void): Promise<Submitted> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of events) {
    const lines = (text + decoder.decode(chunk, { stream: true })).split("\n");
    text = lines.pop()!;
    for (const line of lines) {
      if (line === "") continue;
      const event = JSON.parse(line) as SubmissionEvent;
      if ("submitted" in event) return event.submitted;
      heard(event.progress);
    }
  }
  throw new Error("the outbox has said no more");
}
