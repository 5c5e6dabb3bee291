import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isAskable, isPrivate } from "../../src/config/address.ts";
import { ConfigError } from "../../src/config/ConfigError.ts";
import { resolve } from "../../src/config/resolve.ts";

/** Addresses of no public network, each in as many forms as a URL may be written in. */
const PRIVATE = [
  // 127.0.0.1 as an https host is loopback; so these are others of its network.
  "127.0.0.2",
  "127.255.255.254",
  "127.2",
  "0x7f.2",
  "0177.0.0.2",
  "2130706434",
  "0x7f000002",
  "017700000002",
  "%31%32%37.0.0.2",
  "127.0.0.2.",
  "０x7f000002",
  "①②⑦.0.0.2",
  "127。0。0。2",
  "0.0.0.0",
  "0",
  "10.0.0.1",
  "10.1",
  "167772161",
  "172.16.0.1",
  "172.31.255.255",
  "192.168.1.1",
  "0xc0a80101",
  "169.254.169.254",
  "2852039166",
  "0xA9FEA9FE",
  "0251.0376.0251.0376",
  "169.254.43518",
  "100.64.0.1",
  "100.100.100.200",
  "168.63.129.16",
  "192.0.0.192",
  "192.0.2.1",
  "192.88.99.1",
  "198.18.0.1",
  "198.51.100.1",
  "203.0.113.1",
  "224.0.0.1",
  "240.0.0.1",
  "255.255.255.255",
  "[::]",
  "[::2]",
  "[::ffff:127.0.0.1]",
  "[::ffff:a9fe:a9fe]",
  "[::ffff:8.8.8.8]",
  "[::127.0.0.1]",
  "[0:0:0:0:0:ffff:10.0.0.1]",
  "[64:ff9b::a9fe:a9fe]",
  "[64:ff9b:1::1]",
  "[100::1]",
  "[2002:7f00:1::]",
  "[2002:a9fe:a9fe::1]",
  "[2001::1]",
  "[2001:0:4136:e378:8000:63bf:3fff:fdd2]",
  "[2001:db8::1]",
  "[3fff:fff::1]",
  "[4000::1]",
  "[5f00::1]",
  "[fc00::1]",
  "[fd00:ec2::254]",
  "[FD00:EC2:0:0:0:0:0:254]",
  "[fe80::1]",
  "[fec0::1]",
  "[ff02::1]",
  "localhost.",
  "localhost..",
  "LOCALHOST.",
  "a.localhost",
  "a.localhost.",
  "ｌｏｃａｌｈｏｓｔ.",
  "a.ｌｏｃａｌ",
  "metadata",
  "metadata.google.internal",
  "METADATA.GOOGLE.INTERNAL.",
  "metadata.google。internal",
  "printer.local",
  "nas.lan",
  "router.home.arpa",
  "git.corp",
  "localhost.localdomain",
];

const PUBLIC = [
  "mcp.example.com",
  "mcp.example.com.",
  "8.8.8.8",
  "134744072",
  "172.15.255.255",
  "172.32.0.1",
  "100.63.255.255",
  "100.128.0.1",
  "192.0.1.1",
  "198.20.0.1",
  "223.255.255.255",
  "[2606:4700::1111]",
  "[2001:4860:4860::8888]",
  "[2a00::1]",
  "internal.example.com",
  "localhost.example.com",
  "bücher.example",
];

describe("where a configured URL may lead", () => {
  test.each(PRIVATE)("%s is no address of the public internet", (host) => {
    expect(isAskable(`https://${host}/mcp`)).toBe(false);
    expect(isAskable(`https://${host}:8443/mcp`)).toBe(false);
    expect(isAskable(`https://${host}/mcp`, true)).toBe(true);
    // Nor is it loopback, where no certificate is needed.
    expect(isAskable(`http://${host}/mcp`)).toBe(false);
    expect(isAskable(`http://${host}/mcp`, true)).toBe(false);
  });

  test.each(PUBLIC)("%s is one", (host) => {
    expect(isAskable(`https://${host}/mcp`)).toBe(true);
    expect(isAskable(`http://${host}/mcp`)).toBe(false);
  });

  test.each(["localhost", "127.0.0.1", "[::1]", "127.1", "2130706433", "[0:0:0:0:0:0:0:1]", "LOCALHOST"])(
    "%s is this machine",
    (host) => {
      expect(isAskable(`http://${host}:8080/mcp`)).toBe(true);
      expect(isAskable(`https://${host}:8080/mcp`)).toBe(true);
    },
  );

  test.each([
    "https://user@mcp.example.com/mcp",
    "https://user:hunter2@mcp.example.com/mcp",
    "https://:hunter2@mcp.example.com/mcp",
    "https://mcp.example.com/mcp#there",
    "https://mcp.example.com/mcp#",
    "https://[fe80::1%25eth0]/mcp",
    "https://[fe80::1%eth0]/mcp",
    "https://256.256.256.256/",
    "https://1.2.3.4.5/",
    "ftp://mcp.example.com/",
    "file:///etc/passwd",
    "data:application/json,{}",
    "javascript:1",
    "//mcp.example.com",
    "mcp.example.com",
    "",
  ])("%s is asked in no case", (url) => {
    expect(isAskable(url)).toBe(false);
    expect(isAskable(url, true)).toBe(false);
  });

  test("each IPv4 address of a private network is one in all of its forms", () => {
    const networks: [first: number, bits: number][] = [
      [0x0a000000, 8],
      [0xac100000, 12],
      [0xc0a80000, 16],
      [0xa9fe0000, 16],
      [0x64400000, 10],
    ];
    const address = fc
      .tuple(fc.constantFrom(...networks), fc.nat(0xffffffff))
      .map(([[first, bits], other]) => first + (other % 2 ** (32 - bits)));
    fc.assert(
      fc.property(address, fc.constantFrom(8, 10, 16), fc.integer({ min: 0, max: 3 }), (whole, radix, cut) => {
        const write = (part: number) => ({ 8: "0", 10: "", 16: "0x" })[radix]! + part.toString(radix);
        const bytes = [24, 16, 8].map((shift) => (whole >>> shift) & 255).slice(0, cut);
        const rest = whole % 2 ** (32 - 8 * cut);
        const { hostname } = new URL(`https://${[...bytes, rest].map(write).join(".")}/`);
        expect(isPrivate(hostname)).toBe(true);
        const mapped = new URL(`https://[::ffff:${(whole >>> 16).toString(16)}:${(whole & 0xffff).toString(16)}]/`);
        expect(isPrivate(mapped.hostname)).toBe(true);
      }),
    );
  });

  test("an origin's URL is held to it, written or in a var, and not repeated", () => {
    const urls = ["https://169.254.169.254/latest/meta-data", "https://[fd00::1]/mcp", "https://db.internal/mcp"];
    for (const url of urls) {
      for (const [given, vars] of [
        [url, {}],
        [{ env: "WHERE" }, { WHERE: url }],
      ] as const) {
        const file = (more: object) => ({ origins: { o: { url: given, ...more } } });
        let refusal: unknown;
        try {
          resolve(file({}), vars);
        } catch (error) {
          refusal = error;
        }
        expect(refusal).toBeInstanceOf(ConfigError);
        expect((refusal as Error).message).toContain("allowPrivate");
        expect((refusal as Error).message).not.toContain(new URL(url).hostname);
        expect(resolve(file({ allowPrivate: true }), vars).origins.get("o")!.settings.endpoint).toEqual({ url });
      }
    }
  });
});
