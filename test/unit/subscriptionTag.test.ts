import fc from "fast-check";
import { expect, test } from "vitest";
import { META_SUBSCRIPTION } from "../../src/mcp/names.ts";
import { retag } from "../../src/mcp/subscriptionTag.ts";

const KEY = JSON.stringify(META_SUBSCRIPTION);

test.each([
  [`{"method":"m","params":{"_meta":{${KEY}:1},"n":1.0}}`, `{"method":"m","params":{"_meta":{${KEY}:"id"},"n":1.0}}`],
  [
    `{ "params" : { "_meta" : { "k":1e2 , ${KEY} : "a,}" } } }`,
    `{ "params" : { "_meta" : { "k":1e2 , ${KEY}:"id" } } }`,
  ],
  [`{"params":{"_meta":{}}}`, `{"params":{"_meta":{${KEY}:"id"}}}`],
  [`{"params":{"_meta":{"k":1}}}`, `{"params":{"_meta":{${KEY}:"id","k":1}}}`],
  [`{"params":{}}`, `{"params":{"_meta":{${KEY}:"id"}}}`],
  [`{"params":{"uri":"x"}}`, `{"params":{"_meta":{${KEY}:"id"},"uri":"x"}}`],
  [`{"method":"m"}`, `{"params":{"_meta":{${KEY}:"id"}},"method":"m"}`],
  [`{"id":1,"result":{"_meta":{${KEY}:1}}}`, `{"id":1,"result":{"_meta":{${KEY}:"id"}}}`],
])("%s", (text, wanted) => {
  expect(retag(text, "id")).toBe(wanted);
});

test.each([`{"params":[1]}`, `{"params":null}`, `{"params":{"_meta":1}}`, `{"result":"x"}`])(
  "%s has no place for a tag",
  (text) => {
    expect(retag(text, 1)).toBeUndefined();
  },
);

test("whatever a message says, its tag is the new one, with its type, and nothing else is another", () => {
  const meta = fc.dictionary(fc.string(), fc.jsonValue());
  const tagged = fc.tuple(meta, fc.option(fc.oneof(fc.string(), fc.integer()), { nil: undefined }));
  fc.assert(
    fc.property(
      fc.dictionary(fc.string(), fc.jsonValue()),
      fc.option(tagged, { nil: undefined }),
      fc.oneof(fc.string(), fc.integer()),
      fc.constantFrom(0, 1, "\t"),
      (params, tag, id, space) => {
        const _meta = tag && { ...tag[0], ...(tag[1] !== undefined && { [META_SUBSCRIPTION]: tag[1] }) };
        const message = { jsonrpc: "2.0", method: "m", params: { ...params, ...(_meta && { _meta }) } };
        if (!_meta) delete (message.params as Record<string, unknown>)["_meta"];
        // As JSON has it: -0 is 0 there.
        const text = JSON.stringify(message, null, space);
        const before = JSON.parse(text);
        const after = JSON.parse(retag(text, id)!);
        expect(after.params._meta[META_SUBSCRIPTION]).toBe(id === 0 ? 0 : id);
        before.params._meta = { ...before.params._meta, [META_SUBSCRIPTION]: id === 0 ? 0 : id };
        expect(after).toEqual(before);
      },
    ),
  );
});
