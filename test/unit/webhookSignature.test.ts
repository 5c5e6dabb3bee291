import fc from "fast-check";
import { Webhook } from "standardwebhooks";
import { describe, expect, test } from "vitest";
import { claimIn, isSigned, webhookKey, type WebhookClaim } from "../../src/access/webhookSignature.ts";

const NOW = 1_700_000_000_000;
const bytes = (text: string) => new TextEncoder().encode(text).buffer as ArrayBuffer;
const headersOf = (claim: Partial<Record<"id" | "timestamp" | "signature", string>>) =>
  new Headers(Object.entries(claim).map(([name, value]): [string, string] => [`webhook-${name}`, value]));
const whole = { id: "msg_1", timestamp: "1700000000", signature: "v1,AAAA" };

describe("a claim", () => {
  test("is read from three headers, with each of its signatures", () => {
    expect(claimIn(headersOf({ ...whole, signature: "v1,A v1a,B  v1,C" }), NOW)).toEqual({
      id: "msg_1",
      timestamp: "1700000000",
      signatures: ["v1,A", "v1a,B", "v1,C"],
    });
  });

  test.each(["id", "timestamp", "signature"] as const)("without %s is none", (name) => {
    const { [name]: _, ...rest } = whole;
    const none = { refusal: { kind: "webhook-unsigned" } };
    expect(claimIn(headersOf(rest), NOW)).toEqual(none);
    expect(claimIn(headersOf({ ...whole, [name]: "" }), NOW)).toEqual(none);
  });

  test.each([
    ["a fraction", { timestamp: "1700000000.5" }],
    ["a negative time", { timestamp: "-1700000000" }],
    ["a time in hex", { timestamp: "0x6553f100" }],
    ["a time that never ends", { timestamp: "1".repeat(400) }],
    ["an id that is too long", { id: "x".repeat(257) }],
  ])("with %s is none", (_, part) => {
    expect(claimIn(headersOf({ ...whole, ...part }), NOW)).toEqual({ refusal: { kind: "webhook-unsigned" } });
  });

  test.each([
    [-300, true],
    [300, true],
    [-301, false],
    [301, false],
  ])("sent %i seconds from now: %s", (seconds, isTaken) => {
    const timestamp = String(NOW / 1_000 + seconds);
    const claim = claimIn(headersOf({ ...whole, timestamp }), NOW);
    expect("refusal" in claim ? claim.refusal.kind : "taken").toBe(isTaken ? "taken" : "webhook-stale");
  });
});

describe("a signature", () => {
  const secret = `whsec_${btoa("a secret of 24 bytes or so")}`;
  const signed = (id: string, seconds: number, body: string, by = secret): WebhookClaim => ({
    id,
    timestamp: String(seconds),
    signatures: [new Webhook(by).sign(id, new Date(seconds * 1_000), body)],
  });

  test("of the reference is taken; changed in anything, it is not", async () => {
    const key = webhookKey(secret)!;
    const name = fc.string({ minLength: 1, maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(name, fc.nat(2_000_000_000), fc.string(), fc.nat(), async (id, seconds, body, at) => {
        const claim = signed(id, seconds, body);
        expect(await isSigned(claim, bytes(body), key)).toBe(true);
        expect(await isSigned(claim, bytes(`${body} `), key)).toBe(false);
        expect(await isSigned({ ...claim, id: `${id}x` }, bytes(body), key)).toBe(false);
        expect(await isSigned({ ...claim, timestamp: String(seconds + 1) }, bytes(body), key)).toBe(false);
        expect(await isSigned(claim, bytes(body), webhookKey("another secret")!)).toBe(false);
        const [whole] = claim.signatures;
        const index = 3 + (at % (whole!.length - 4));
        const other = whole![index] === "A" ? "B" : "A";
        const signatures = [`${whole!.slice(0, index)}${other}${whole!.slice(index + 1)}`];
        expect(await isSigned({ ...claim, signatures }, bytes(body), key)).toBe(false);
      }),
      { numRuns: 50 },
    );
  });

  test("is taken wherever it stands among others, and only as the version it says", async () => {
    const claim = signed("m", 1, "b");
    const [own] = claim.signatures;
    const among = (signatures: string[]) => isSigned({ ...claim, signatures }, bytes("b"), webhookKey(secret)!);
    expect(await among(["v1,AAAA", "v1a,x", own!])).toBe(true);
    expect(await among([own!.replace("v1,", "v2,")])).toBe(false);
    expect(await among([own!.slice(3)])).toBe(false);
    expect(await among([])).toBe(false);
  });
});

test("a secret is base64 after whsec_, else its text; an empty or broken one is none", () => {
  const texts = (secret: unknown) => {
    const key = webhookKey(secret);
    return key && new TextDecoder().decode(key);
  };
  expect(texts(`whsec_${btoa("abc")}`)).toBe("abc");
  expect(texts("YWJj")).toBe("YWJj");
  for (const none of [undefined, 5, "", "whsec_", "whsec_***"]) expect(texts(none)).toBeUndefined();
});
