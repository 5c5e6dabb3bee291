import { expect, test } from "vitest";
import { withoutPromise } from "../../src/mcp/withoutPromise.ts";

test.each([
  [
    '{"jsonrpc":"2.0","id":1,"result":{"ttlMs":5000,"a":[1.0]}}',
    '{"jsonrpc":"2.0","id":1,"result":{"ttlMs":0,"a":[1.0]}}',
  ],
  ['{"result":{ "a":1, "ttl\\u004ds" : 5 }}', '{"result":{ "a":1, "ttl\\u004ds" : 0 }}'],
  ['{"result":{"contents":[{"text":"ttlMs"}]}}', undefined],
  ['{"result":{"ttlMs":0}}', undefined],
  ['{"error":{"data":{"ttlMs":5}}}', undefined],
  ['{"method":"notifications/message","params":{"ttlMs":5}}', undefined],
  ['[{"result":{"ttlMs":5}}]', undefined],
  ["no JSON: ttlMs", undefined],
])("a response promises nothing, and is the same otherwise: %s", (reply, told = reply) => {
  expect(withoutPromise(reply)).toBe(told);
});
