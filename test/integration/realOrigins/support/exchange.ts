import { expect } from "vitest";
import { type Changing, comparable } from "./comparable.ts";
import type { Message, Party } from "./party.ts";

/** Something that a client does. */
export interface Act {
  do: (client: Party["client"], party: Party) => Promise<unknown>;
  /** The methods of what the origin sends of its own accord, once for each message that must have come. */
  brings?: readonly string[] | undefined;
  /** It is right that the origin refuses it. */
  fails?: boolean | undefined;
  /** The client asks again and again until the origin is done, so only how it ends can be compared. */
  polls?: boolean | undefined;
  /** What differs each time in what comes of it. */
  changing?: readonly Changing[] | undefined;
}

/** All that came of an act: what the client made of it, and each message that it received meanwhile. */
export interface Exchange {
  outcome: unknown;
  answers: Message[];
  /** Notifications and requests, in their order, by method: those of different streams have no order. */
  events: Partial<Record<string, Message[]>>;
}

/** Does it and waits for all that it brings. */
export async function exchange(party: Party, act: Act, changing: readonly Changing[] = []): Promise<Exchange> {
  const since = party.heard.length;
  const outcome = await act.do(party.client, party).then(
    (result) => ({ result }),
    ({ code, message, data }) => ({ error: JSON.parse(JSON.stringify({ code, message, data })) as unknown }),
  );
  const of = (messages: Message[], method: string) => messages.filter((message) => message.method === method).length;
  const due = Object.entries(Object.groupBy(act.brings ?? [], (method) => method));
  await party.until((messages) => due.every(([method, all]) => of(messages, method) >= all!.length), since);
  const messages = party.heard.slice(since).map(({ id: _, ...message }) => message);
  const events = messages.filter(({ method }) => method !== undefined);
  const whole: Exchange = {
    outcome,
    answers: act.polls ? [] : messages.filter(({ method }) => method === undefined),
    events: Object.groupBy(events, ({ method }) => method!),
  };
  return comparable(whole, [...(act.changing ?? []), ...changing]) as Exchange;
}

/** Two clients of one kind: one directly at an origin, the other at the replica before such an origin. */
export interface Sides {
  direct: Party;
  through: Party;
  /** What differs each time at such an origin, or because there are two of them. */
  changing?: readonly Changing[];
}

/** Does the same directly and through the replica, and expects the same to come of it. */
export async function expectSame({ direct, through, changing }: Sides, act: Act): Promise<void> {
  const [own, replicas] = await Promise.all([exchange(direct, act, changing), exchange(through, act, changing)]);
  const { result, error } = own.outcome as { result?: Record<string, unknown>; error?: unknown };
  // Two equal refusals would prove little.
  expect(error !== undefined || result?.["isError"] === true, `refused: ${JSON.stringify(own)}`).toBe(
    act.fails ?? false,
  );
  // Arguments that the origin refuses the replica may refuse before, in words of its own; what the origin takes, never.
  if (act.fails && isMisfit(replicas)) return;
  expect(replicas).toEqual(own);
}

function isMisfit({ outcome }: Exchange): boolean {
  const { result } = outcome as { result?: { _meta?: Record<string, { code?: unknown }> } };
  return result?._meta?.["edge-replica/error"]?.code === "invalid_arguments";
}
