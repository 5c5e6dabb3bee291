import fc from "fast-check";
import { expect, test } from "vitest";
import { principalOf } from "../../src/access/callerIn.ts";
import { networkOf } from "../../src/access/networkOf.ts";
import { payerOf } from "../../src/access/payer.ts";

const open = { principal: "anonymous" };
const HOST = "replica.example.com";

test("where anybody may call, an address pays; with a principal, that does, wherever it comes from", () => {
  expect(payerOf({ caller: open, hostname: HOST, address: "192.0.2.7" })).toBe("address:192.0.2.7");
  for (const address of ["192.0.2.7", "192.0.2.8", null])
    expect(payerOf({ caller: { principal: "key:k1" }, hostname: HOST, address })).toBe("key:k1");
});

test("who has no address, or none that is one, shares what there is with all of those", () => {
  for (const address of [
    null,
    "",
    "192.0.2.300",
    "192.0.2",
    "1.2.3.4.5",
    "01.2.3.4",
    "2001:db8",
    "::1::2",
    "g::",
    "1:2:3:4:5:6:7:8:9",
    ":".repeat(70),
    "::1.2.3.999",
    "192.0.2.7, 192.0.2.8",
  ])
    expect(payerOf({ caller: open, hostname: HOST, address }), String(address)).toBe("address:unknown");
});

test("on this machine nobody pays, but for who comes through Cloudflare", () => {
  for (const hostname of ["localhost", "127.0.0.1", "[::1]"]) {
    for (const address of [null, "127.0.0.1", "::1"]) {
      expect(payerOf({ caller: open, hostname, address })).toBeUndefined();
      expect(payerOf({ caller: { principal: "key:k1" }, hostname, address })).toBeUndefined();
    }
    expect(payerOf({ caller: open, hostname, address: "192.0.2.7" })).toBe("address:192.0.2.7");
  }
});

test("one who may choose the scopes of its tokens has one limit all the same; in another tenant, another", () => {
  const of = (tenant: string | null, scopes: string[]) =>
    payerOf({
      caller: { principal: principalOf("jwt", "https://issuer.example", "alice", tenant ?? undefined, scopes) },
      hostname: HOST,
      address: null,
    });
  expect(of("acme", ["mcp:read"])).toBe(of("acme", ["mcp:read", "mcp:write"]));
  expect(of("acme", [])).not.toBe(of("other", []));
  expect(of(null, [])).not.toBe(of("null", []));
});

test("IPv6 addresses are one by their first 64 bits, however they are written", () => {
  const same = [
    "2001:db8:0:1::1",
    "2001:DB8:0:1:ffff:ffff:ffff:ffff",
    "2001:0db8:0000:0001:0:0:192.0.2.7",
    "2001:db8:0:1::%eth0",
  ];
  expect(new Set(same.map(networkOf))).toEqual(new Set(["2001:db8:0:1::/64"]));
  expect(networkOf("2001:db8:0:2::1")).toBe("2001:db8:0:2::/64");
  expect(networkOf("::ffff:192.0.2.7")).toBe("192.0.2.7");
  expect(networkOf("::ffff:c000:207")).toBe("192.0.2.7");
});

test("any IPv6 address is its network's, whatever its last 64 bits and however zeros are left out", () => {
  const group = fc.integer({ min: 0, max: 0xffff });
  const groups = fc.array(group, { minLength: 8, maxLength: 8 });
  fc.assert(
    fc.property(groups, fc.nat(7), fc.nat(7), (all, from, length) => {
      const network = `${all
        .slice(0, 4)
        .map((one) => one.toString(16))
        .join(":")}::/64`;
      fc.pre(!all.slice(0, 5).every((one) => one === 0));
      const written = all.map((one) => one.toString(16));
      expect(networkOf(written.join(":"))).toBe(network);
      const end = Math.min(8, from + length + 1);
      const zeroed = all.map((one, index) => (index >= from && index < end ? 0 : one));
      fc.pre(!zeroed.slice(0, 5).every((one) => one === 0));
      const short = `${written.slice(0, from).join(":")}::${written.slice(end).join(":")}`;
      expect(networkOf(short)).toBe(networkOf(zeroed.map((one) => one.toString(16)).join(":")));
    }),
    { numRuns: 500 },
  );
});

test("whatever a header says, whose it is has a bounded name, and finding it out throws nothing", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ maxLength: 200 }), fc.stringMatching(/^[0-9a-f:.%]{0,80}$/)), (address) => {
      expect(networkOf(address)).toMatch(/^(unknown|[0-9.]{7,15}|[0-9a-f:]{7,19}::\/64)$/);
    }),
    { numRuns: 2_000 },
  );
});
