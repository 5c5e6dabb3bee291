import { expect, test } from "vitest";
import { batch } from "../../src/lanes/batch.ts";
import type { Answer, Exchange } from "../../src/lanes/Exchange.ts";
import { Tally } from "../../src/telemetry/Tally.ts";

test("answers that are more together than may be held are told as too large, and the others as they are", async () => {
  const body = Array.from({ length: 100 }, (_, id) => ({ jsonrpc: "2.0", id, method: "tools/call" }));
  const x = {
    body,
    text: JSON.stringify(body),
    headers: new Headers(),
    tally: new Tally(() => undefined),
    arrivedAt: 0,
    now: () => 0,
    word: (failure: object, { id }: { id: number }) => JSON.stringify({ id, failure }),
  } as unknown as Exchange;
  const long = "x".repeat(5_000_000);
  const each = async ({ body }: Exchange): Promise<Answer> => {
    const { id } = body as { id: number };
    const text = JSON.stringify({ id, result: id % 2 === 0 ? long : "short" });
    return { kind: "message", result: "hit", status: 200, text };
  };
  const answer = (await batch(x, each)) as Extract<Answer, { kind: "message" }>;
  const said = JSON.parse(answer.text) as { id: number; result?: string; failure?: { failure: { detail: string } } }[];
  expect(said.map(({ id }) => id)).toEqual(body.map(({ id }) => id));
  const [whole, others] = [said.filter(({ result }) => result === long), said.filter(({ failure }) => failure)];
  expect([whole.length, others.length]).toEqual([3, 47]);
  expect(others[0]!.failure!.failure.detail).toContain("too large for a batch");
  expect(said.filter(({ result }) => result === "short").length).toBe(50);
});
