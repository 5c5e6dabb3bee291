import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { answerTo } from "../../src/mcp/answerTo.ts";
import { renamed } from "../../src/mcp/CallNames.ts";
import { endsSession } from "../../src/mcp/endsSession.ts";
import { failureWords } from "../../src/mcp/failureWords.ts";
import { hear } from "../../src/mcp/hear.ts";
import { toModernReply } from "../../src/mcp/toModernReply.ts";
import { withValue } from "../../src/mcp/withValue.ts";

const text = (message: object) => JSON.stringify({ jsonrpc: "2.0", ...message });
const inSession = { id: "unique", token: "unique" };
const name = fc.oneof(fc.string(), fc.integer());

describe("a value in a JSON text", () => {
  test("is replaced, and nothing else is touched", () => {
    expect(withValue('{ "a" : {"b": 1.0 , "c":[1e400]} }', ["a", "b"], '"x"')).toBe(
      '{ "a" : {"b": "x" , "c":[1e400]} }',
    );
    expect(withValue('{"a":{"b":1},"a":{"b":2}}', ["a", "b"], "3")).toBe('{"a":{"b":1},"a":{"b":3}}');
  });

  test.each(['{"a":[1]}', '{"a":"b"}', '{"b":{"a":1}}', '{"a":{}}', "[]", "1"])("%s is left as it is", (json) => {
    expect(withValue(json, ["a", "b"], "3")).toBe(json);
  });
});

describe("the names of a call in a session", () => {
  test("take the places of the caller's, and give them back with their types", () => {
    fc.assert(
      fc.property(name, name, fc.jsonValue(), (id, token, value) => {
        const request = text({
          id,
          method: "tools/call",
          params: { arguments: { id, value }, _meta: { progressToken: token } },
        });
        expect(JSON.parse(renamed(request, inSession))).toEqual(
          JSON.parse(
            text({
              id: "unique",
              method: "tools/call",
              params: { arguments: { id, value }, _meta: { progressToken: "unique" } },
            }),
          ),
        );
        const caller = { id, token };
        const progress = { progressToken: "unique", progress: 1, value };
        const note = hear(text({ method: "notifications/progress", params: progress }), inSession, caller);
        expect(note.kind === "notification" && JSON.parse(note.text).params).toEqual(
          JSON.parse(JSON.stringify({ ...progress, progressToken: token })),
        );
        const response = hear(text({ id: "unique", result: { value } }), inSession, caller);
        expect(response.kind === "response" && JSON.parse(response.text)).toEqual(
          JSON.parse(text({ id, result: { value } })),
        );
      }),
    );
  });

  test("are not put where the caller had none", () => {
    const request = text({ id: 1, method: "tools/call", params: { _meta: { progressToken: 1 } } });
    expect(JSON.parse(renamed(request, { id: "unique" })).params._meta.progressToken).toBe(1);
    expect(JSON.parse(renamed(text({ id: 1, method: "tools/list" }), inSession))).toEqual(
      JSON.parse(text({ id: "unique", method: "tools/list" })),
    );
  });
});

describe("what a message is to a call", () => {
  const caller = { id: 1, token: "t" };

  test.each([
    ["another's answer", { id: 1, result: {} }],
    ["another's error", { id: "unique ", error: { code: 1, message: "" } }],
    ["an error of nobody's", { id: null, error: { code: 1, message: "" } }],
    ["another's progress", { method: "notifications/progress", params: { progressToken: "t", progress: 1 } }],
    ["progress of nobody's", { method: "notifications/progress" }],
    ["a change", { method: "notifications/tools/list_changed" }],
    ["a resource's change", { method: "notifications/resources/updated", params: { uri: "x" } }],
    ["a cancellation", { method: "notifications/cancelled", params: { requestId: "unique" } }],
    ["a request without a proper id", { id: {}, method: "ping" }],
    ["no message", { id: "unique" }],
  ])("%s is nothing to it", (_, message) => {
    expect(hear(text(message), inSession, caller)).toEqual({ kind: "nothing" });
  });

  test("no JSON, and no object, is nothing either", () => {
    for (const one of ["", "{", "[]", "null", '"unique"'])
      expect(hear(one, inSession, caller)).toEqual({ kind: "nothing" });
  });

  test("without a token there is no progress, whatever the origin says", () => {
    const note = text({ method: "notifications/progress", params: { progressToken: "unique", progress: 1 } });
    expect(hear(note, { id: "unique" }, { id: 1 })).toEqual({ kind: "nothing" });
    expect(hear(text({ method: "notifications/progress", params: {} }), { id: "unique" }, { id: 1 })).toEqual({
      kind: "nothing",
    });
  });

  test("logs pass as they are, and so does what nobody knows", () => {
    for (const method of ["notifications/message", "notifications/acme"]) {
      const note = text({ method, params: { level: "info" } });
      expect(hear(note, inSession, caller)).toEqual({ kind: "notification", text: note });
    }
  });

  test("what the origin asks is answered: a ping, and that there is nobody to be asked for more", () => {
    const asked = hear(text({ id: 7, method: "ping" }), inSession, caller);
    expect(asked).toEqual({ kind: "request", id: 7, method: "ping" });
    expect(JSON.parse(answerTo({ id: 7, method: "ping" }))).toEqual({ jsonrpc: "2.0", id: 7, result: {} });
    expect(JSON.parse(answerTo({ id: "q", method: "elicitation/create" }))).toMatchObject({
      id: "q",
      error: { code: -32601 },
    });
  });
});

describe("the end of a session", () => {
  const error = (code: number, id: unknown = "unique") => text({ id, error: { code, message: "" } });

  test.each<[number, string, string]>([
    [404, "", "yes"],
    [404, "<html>", "yes"],
    [404, error(-32001, null), "yes"],
    [404, error(-32001), "yes"],
    [404, error(-32601), "no"],
    [404, error(-32601, "another"), "yes"],
    [400, "", "perhaps"],
    [400, error(-32000, null), "perhaps"],
    [400, error(-32000), "perhaps"],
    [400, error(-32602), "no"],
    [400, text({ id: "unique", result: {} }), "no"],
    [200, error(-32001), "no"],
    [500, "", "no"],
  ])("%i with %s says: %s", (status, body, ends) => {
    expect(endsSession(status, body, "unique")).toBe(ends);
  });
});

describe("what became of a call in which the origin asked in vain", () => {
  test.each<[object, string | undefined]>([
    [{ error: { code: -32603, message: "No answer" } }, "No answer"],
    [
      { result: { isError: true, content: [{ type: "text", text: "No" }, { type: "image" }, { text: "way" }] } },
      "No way",
    ],
    [{ result: { isError: true } }, ""],
    [{ result: { content: [] } }, undefined],
    [{ error: { code: 1, message: "x".repeat(1_000) } }, "x".repeat(500)],
  ])("%j failed: %j", (message, words) => {
    expect(failureWords(text({ id: 1, ...message }))).toBe(words);
  });

  test("is told beside a result that came all the same", () => {
    const asked = { method: "tools/call", hints: false, serverInfo: undefined };
    const reply = text({ id: 1, result: { content: [], _meta: { a: 1 } } });
    expect(JSON.parse(toModernReply(reply, { ...asked, declined: ["roots/list"] })!.text).result._meta).toEqual({
      a: 1,
      "edge-replica/declined": ["roots/list"],
    });
    expect(JSON.parse(toModernReply(reply, asked)!.text).result._meta).toEqual({ a: 1 });
  });
});
