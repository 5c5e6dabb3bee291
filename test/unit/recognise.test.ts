import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { paramHeadersAgree, toolFacts, type ParamHeader } from "../../src/mcp/toolFacts.ts";
import { decodeHeaderValue, encodeHeaderValue } from "../../src/mcp/headerValue.ts";
import { onlyObserves } from "../../src/mcp/meta.ts";
import { cacheableMethod, isList } from "../../src/mcp/methods.ts";
import { recognise } from "../../src/mcp/recognise.ts";
import { LEGACY_VERSIONS, MODERN_VERSION } from "../../src/mcp/versions.ts";

type Json = Record<string, unknown>;

/** The eight methods, with the members of `params` that make each perfect. */
const METHODS: [method: string, params: Json][] = [
  ["server/discover", {}],
  ["tools/list", { cursor: "c1" }],
  ["prompts/list", {}],
  ["resources/list", { cursor: "" }],
  ["resources/templates/list", {}],
  ["resources/read", { uri: "x://1" }],
  ["tools/call", { name: "search", arguments: { q: "tea" } }],
  ["prompts/get", { name: "greet", arguments: { who: "you" } }],
];
const LEGACY_METHODS = METHODS.filter(([method]) => method !== "server/discover");

const ENVELOPE = {
  "io.modelcontextprotocol/protocolVersion": MODERN_VERSION,
  "io.modelcontextprotocol/clientCapabilities": { sampling: {} },
  "io.modelcontextprotocol/clientInfo": { name: "client", version: "1" },
};

/** A request that can be spoilt in one place. */
interface Draft {
  body: Json;
  params: Json;
  meta: Json;
  headers: Record<string, string | undefined>;
}

function base64(text: string): string {
  return `=?base64?${btoa(String.fromCharCode(...new TextEncoder().encode(text)))}?=`;
}

function modern(method = "tools/call", params: Json = { name: "search", arguments: { q: "tea" } }): Draft {
  const target = params["name"] ?? params["uri"];
  return {
    body: { jsonrpc: "2.0", id: 1, method },
    params: { ...params },
    meta: { ...ENVELOPE },
    headers: {
      accept: "application/json, text/event-stream",
      "mcp-protocol-version": MODERN_VERSION,
      "mcp-method": method,
      "mcp-name": target as string | undefined,
    },
  };
}

function legacy(method = "tools/call", params: Json = { name: "search", arguments: { q: "tea" } }): Draft {
  return {
    body: { jsonrpc: "2.0", id: 1, method },
    params: { ...params },
    meta: {},
    headers: { accept: "application/json, text/event-stream", "mcp-protocol-version": "2025-11-25" },
  };
}

function recogniseDraft({ body, params, meta, headers }: Draft, ignore: readonly string[] = []) {
  const sent = new Headers();
  for (const [name, value] of Object.entries(headers)) if (value !== undefined) sent.set(name, value);
  return recognise({ params: { _meta: meta, ...params }, ...body }, sent, ignore);
}

/** The same text as the wire would carry: `__proto__` becomes a member of its own. */
function parsed(text: string): Json {
  return JSON.parse(text) as Json;
}

describe("perfect requests", () => {
  test.each(METHODS)("a modern %s is recognised", (method, params) => {
    expect(recogniseDraft(modern(method, params))).toMatchObject({
      era: "modern",
      version: MODERN_VERSION,
      id: 1,
      method,
      shape: cacheableMethod(method),
      target: params["name"] ?? params["uri"] ?? null,
      variant: params["arguments"] ?? params["cursor"],
      capabilities: { sampling: {} },
      wantsProgress: false,
      cacheControl: undefined,
    });
  });

  test.each(LEGACY_METHODS)("a legacy %s is recognised", (method, params) => {
    for (const version of [...LEGACY_VERSIONS, undefined]) {
      const draft = legacy(method, params);
      draft.headers["mcp-protocol-version"] = version;
      expect(recogniseDraft(draft)).toMatchObject({
        era: "legacy",
        version,
        method,
        target: params["name"] ?? params["uri"] ?? null,
        variant: params["arguments"] ?? params["cursor"],
        capabilities: {},
      });
    }
  });

  test("a legacy list may have no params at all", () => {
    const headers = new Headers(legacy().headers as Record<string, string>);
    expect(recognise({ jsonrpc: "2.0", id: 1, method: "tools/list" }, headers, [])).toMatchObject({
      variant: undefined,
      target: null,
    });
    expect(recognise({ jsonrpc: "2.0", id: 1, method: "tools/list", params: {} }, headers, [])).toBeDefined();
  });

  test("absent arguments are not empty ones, and an absent cursor is not an empty one", () => {
    expect(recogniseDraft(modern("tools/call", { name: "search" }))!.variant).toBeUndefined();
    expect(recogniseDraft(modern("tools/call", { name: "search", arguments: {} }))!.variant).toEqual({});
    expect(recogniseDraft(modern("tools/list", {}))!.variant).toBeUndefined();
    expect(recogniseDraft(modern("tools/list", { cursor: "" }))!.variant).toBe("");
  });

  test("client info may be missing, the order of accept may differ, and it may hold more", () => {
    const draft = modern();
    delete draft.meta["io.modelcontextprotocol/clientInfo"];
    draft.headers["accept"] = "text/event-stream;q=0.5,text/html, application/json;q=1";
    expect(recogniseDraft(draft)).toBeDefined();
  });

  test("ids are strings, also empty ones, and whole numbers, also negative ones", () => {
    for (const id of [0, -1, Number.MAX_SAFE_INTEGER, "", "1", "é"]) {
      const draft = modern();
      draft.body["id"] = id;
      expect(recogniseDraft(draft)!.id).toBe(id);
    }
  });

  test("a name that a header cannot hold comes in base64, and one that could may too", () => {
    for (const name of ["search", "größe", "日本", " padded ", "=?base64?c2VhcmNo?=", "a\nb", "\ufeffmark", ""]) {
      const draft = modern("tools/call", { name });
      draft.headers["mcp-name"] = base64(name);
      expect(recogniseDraft(draft)?.target, name).toBe(name);
    }
  });

  test("what the caller asks of the cache is read", () => {
    const draft = modern();
    draft.meta["edge-replica/cache-control"] = "no-cache";
    draft.meta["progressToken"] = "p1";
    expect(recogniseDraft(draft)).toMatchObject({ cacheControl: "no-cache", wantsProgress: true });
  });
});

describe("imperfect requests", () => {
  const anyEra: [what: string, spoil: (draft: Draft) => void][] = [
    ["no jsonrpc", ({ body }) => delete body["jsonrpc"]],
    ["jsonrpc 1.0", ({ body }) => (body["jsonrpc"] = "1.0")],
    ["jsonrpc as a number", ({ body }) => (body["jsonrpc"] = 2)],
    ["no id", ({ body }) => delete body["id"]],
    ["a null id", ({ body }) => (body["id"] = null)],
    ["a fractional id", ({ body }) => (body["id"] = 1.5)],
    ["an id beyond 2^53", ({ body }) => (body["id"] = 2 ** 53)],
    ["an id that is true", ({ body }) => (body["id"] = true)],
    ["an id that is an object", ({ body }) => (body["id"] = {})],
    ["an id that is a list", ({ body }) => (body["id"] = [1])],
    ["no method", ({ body }) => delete body["method"]],
    ["a method in capitals", ({ body }) => (body["method"] = "TOOLS/CALL")],
    ["a method that is no text", ({ body }) => (body["method"] = ["tools/call"])],
    ["another method", ({ body }) => (body["method"] = "tasks/get")],
    ["a method named constructor", ({ body }) => (body["method"] = "constructor")],
    ["a method named __proto__", ({ body }) => (body["method"] = "__proto__")],
    ["another member beside params", ({ body }) => (body["extra"] = 1)],
    ["a result beside the method", ({ body }) => (body["result"] = {})],
    ["null params", ({ body }) => (body["params"] = null)],
    ["params as a list", ({ body }) => (body["params"] = [])],
    ["params as text", ({ body }) => (body["params"] = "x")],
    ["no params", ({ body }) => (body["params"] = undefined)],
    ["null _meta", ({ params }) => (params["_meta"] = null)],
    ["_meta as a list", ({ params }) => (params["_meta"] = [])],
    ["no name", ({ params }) => delete params["name"]],
    ["a name that is no text", ({ params }) => (params["name"] = 5)],
    ["a null name", ({ params }) => (params["name"] = null)],
    ["arguments as a list", ({ params }) => (params["arguments"] = [])],
    ["arguments as text", ({ params }) => (params["arguments"] = "{}")],
    ["null arguments", ({ params }) => (params["arguments"] = null)],
    ["a task", ({ params }) => (params["task"] = { ttl: 1 })],
    ["input responses", ({ params }) => (params["inputResponses"] = {})],
    ["a request state", ({ params }) => (params["requestState"] = "s")],
    ["a cursor", ({ params }) => (params["cursor"] = "c")],
    ["a uri", ({ params }) => (params["uri"] = "x://1")],
    ["an unknown param", ({ params }) => (params["undefined"] = 1)],
    ["a param named constructor", ({ params }) => (params["constructor"] = 1)],
    ["a vendor's _meta", ({ meta }) => (meta["acme/tenant"] = "t")],
    ["a plain _meta", ({ meta }) => (meta["tenant"] = "t")],
    ["a _meta named constructor", ({ meta }) => (meta["constructor"] = 1)],
    ["OpenAI's locale", ({ meta }) => (meta["openai/locale"] = "de")],
    ["a related task", ({ meta }) => (meta["io.modelcontextprotocol/related-task"] = {})],
    ["a cache control that is no text", ({ meta }) => (meta["edge-replica/cache-control"] = {})],
    ["no accept", ({ headers }) => (headers["accept"] = undefined)],
    ["accept without events", ({ headers }) => (headers["accept"] = "application/json")],
    ["accept without JSON", ({ headers }) => (headers["accept"] = "text/event-stream")],
    ["accept of anything", ({ headers }) => (headers["accept"] = "*/*")],
    ["another era's version header", ({ headers }) => (headers["mcp-protocol-version"] = "2024-11-05")],
    ["an empty version header", ({ headers }) => (headers["mcp-protocol-version"] = "")],
  ];
  const modernOnly: typeof anyEra = [
    ["no version header", ({ headers }) => (headers["mcp-protocol-version"] = undefined)],
    ["a legacy version header", ({ headers }) => (headers["mcp-protocol-version"] = "2025-11-25")],
    [
      "a version in _meta that is not the header's",
      ({ meta }) => (meta["io.modelcontextprotocol/protocolVersion"] = "2025-11-25"),
    ],
    [
      "an unknown version in both",
      ({ meta, headers }) => {
        headers["mcp-protocol-version"] = "2027-01-01";
        meta["io.modelcontextprotocol/protocolVersion"] = "2027-01-01";
      },
    ],
    ["no version in _meta", ({ meta }) => delete meta["io.modelcontextprotocol/protocolVersion"]],
    [
      "a version in _meta that is no text",
      ({ meta }) => (meta["io.modelcontextprotocol/protocolVersion"] = [MODERN_VERSION]),
    ],
    ["no capabilities", ({ meta }) => delete meta["io.modelcontextprotocol/clientCapabilities"]],
    ["null capabilities", ({ meta }) => (meta["io.modelcontextprotocol/clientCapabilities"] = null)],
    ["capabilities as a list", ({ meta }) => (meta["io.modelcontextprotocol/clientCapabilities"] = [])],
    ["no method header", ({ headers }) => (headers["mcp-method"] = undefined)],
    ["another method in the header", ({ headers }) => (headers["mcp-method"] = "tools/list")],
    ["the method header in capitals", ({ headers }) => (headers["mcp-method"] = "TOOLS/CALL")],
    ["no name header", ({ headers }) => (headers["mcp-name"] = undefined)],
    ["another name in the header", ({ headers }) => (headers["mcp-name"] = "search2")],
    ["the name header in capitals", ({ headers }) => (headers["mcp-name"] = "Search")],
    ["another name in base64", ({ headers }) => (headers["mcp-name"] = base64("search2"))],
    ["broken base64", ({ headers }) => (headers["mcp-name"] = "=?base64?c2Vhcm*o?=")],
    ["base64 that is not UTF-8", ({ headers }) => (headers["mcp-name"] = "=?base64?/w==?=")],
    ["a sentinel in capitals", ({ headers }) => (headers["mcp-name"] = base64("search").toUpperCase())],
    [
      "a name that looks like a sentinel, as it is",
      ({ params, headers }) => {
        params["name"] = base64("search");
        headers["mcp-name"] = base64("search");
      },
    ],
  ];
  const legacyOnly: typeof anyEra = [
    ["the modern version header", ({ headers }) => (headers["mcp-protocol-version"] = MODERN_VERSION)],
    ["the modern version in _meta", ({ meta }) => (meta["io.modelcontextprotocol/protocolVersion"] = MODERN_VERSION)],
    [
      "a method of the modern era",
      ({ body, params }) => {
        body["method"] = "server/discover";
        delete params["name"];
        delete params["arguments"];
      },
    ],
  ];

  test("the drafts are perfect before they are spoilt", () => {
    expect(recogniseDraft(modern())).toBeDefined();
    expect(recogniseDraft(legacy())).toBeDefined();
  });

  test.each([...anyEra, ...modernOnly])("a modern request with %s is not recognised", (_, spoil) => {
    const draft = modern();
    spoil(draft);
    expect(recogniseDraft(draft)).toBeUndefined();
  });

  test.each([...anyEra, ...legacyOnly])("a legacy request with %s is not recognised", (_, spoil) => {
    const draft = legacy();
    spoil(draft);
    expect(recogniseDraft(draft)).toBeUndefined();
  });

  test("a cursor is text", () => {
    for (const cursor of [null, 5, {}, ["c"]]) {
      expect(recogniseDraft(modern("tools/list", { cursor }))).toBeUndefined();
      expect(recogniseDraft(legacy("tools/list", { cursor }))).toBeUndefined();
    }
  });

  test("null params and null _meta are not absent ones", () => {
    const headers = new Headers(legacy().headers as Record<string, string>);
    expect(recognise({ jsonrpc: "2.0", id: 1, method: "tools/list", params: null }, headers, [])).toBeUndefined();
    expect(
      recognise({ jsonrpc: "2.0", id: 1, method: "tools/list", params: { _meta: null } }, headers, []),
    ).toBeUndefined();
  });

  test("what is no request object is not recognised", () => {
    const headers = new Headers(legacy().headers as Record<string, string>);
    for (const body of [null, undefined, 1, "x", [], [{ jsonrpc: "2.0", id: 1, method: "tools/list" }], {}]) {
      expect(recognise(body, headers, [])).toBeUndefined();
    }
  });

  test("members named __proto__ are seen", () => {
    const headers = new Headers(legacy().headers as Record<string, string>);
    const bodies = [
      '{"jsonrpc":"2.0","id":1,"method":"tools/list","__proto__":{}}',
      '{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"__proto__":{}}}',
      '{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"__proto__":{}}}}',
      '{"__proto__":{"jsonrpc":"2.0"},"id":1,"method":"tools/list"}',
    ];
    for (const body of bodies) expect(recognise(parsed(body), headers, []), body).toBeUndefined();
  });
});

describe("_meta that only observes", () => {
  test.each([
    "progressToken",
    "traceparent",
    "tracestate",
    "baggage",
    "io.modelcontextprotocol/logLevel",
    "claudecode/x",
    "vscode.y",
    "openai/z",
  ])("%s does not prevent a hit", (key) => {
    for (const draft of [modern(), legacy()]) {
      draft.meta[key] = key.endsWith("logLevel") ? "info" : "x";
      expect(recogniseDraft(draft)).toBeDefined();
    }
  });

  test.each<[key: string, ...values: unknown[]]>([
    ["progressToken", null, {}, [], true, 1.5],
    ["io.modelcontextprotocol/logLevel", null, "loud", 7, ""],
    ["io.modelcontextprotocol/clientInfo", null, "x", [], {}, { name: "x" }, { name: "x", version: 1 }],
  ])("%s of another type than it has does", (key, ...values) => {
    for (const value of values) {
      for (const draft of [modern(), legacy()]) {
        draft.meta[key] = value;
        expect(recogniseDraft(draft), JSON.stringify(value)).toBeUndefined();
      }
    }
  });

  test.each([null, 7, "x", [], true])("a capability that is %j does", (value) => {
    const draft = modern();
    draft.meta["io.modelcontextprotocol/clientCapabilities"] = { roots: {}, sampling: value };
    expect(recogniseDraft(draft)).toBeUndefined();
  });

  test.each([
    "openai/locale",
    "openai/userLocation",
    "openai/user_location",
    "openai/x/LOCALE",
    "claudecode",
    "vscode/y",
    "vscodex",
    "xclaudecode/x",
    "openai",
  ])("%s does", (key) => {
    expect(onlyObserves({ [key]: "x" }, [])).toBe(false);
  });

  test("the operator's patterns add to the list, even what would change answers", () => {
    expect(onlyObserves({ "acme/trace": 1 }, ["acme/*"])).toBe(true);
    expect(onlyObserves({ "acme/trace": 1, "other/x": 1 }, ["acme/*"])).toBe(false);
    expect(onlyObserves({ "openai/locale": 1 }, ["openai/*"])).toBe(true);
    const draft = modern();
    draft.meta["acme/trace"] = 1;
    expect(recogniseDraft(draft, ["acme/*"])).toBeDefined();
  });

  test("nothing observes nothing", () => {
    expect(onlyObserves({}, [])).toBe(true);
  });
});

test("only the four lists are paged, and prototypes are no methods", () => {
  const lists = METHODS.map(([method]) => method).filter(isList);
  expect(lists).toEqual(["tools/list", "prompts/list", "resources/list", "resources/templates/list"]);
  for (const method of ["constructor", "__proto__", "toString"]) expect(cacheableMethod(method)).toBeUndefined();
  const hinted = METHODS.filter(([method]) => cacheableMethod(method)!.hints).map(([method]) => method);
  expect(hinted).toEqual(["server/discover", ...lists, "resources/read"]);
});

describe("header values", () => {
  test("the sentinel is taken off, everything else stays", () => {
    expect(decodeHeaderValue("plain")).toBe("plain");
    expect(decodeHeaderValue("")).toBe("");
    expect(decodeHeaderValue(base64("größe"))).toBe("größe");
    expect(decodeHeaderValue("=?base64??=")).toBe("");
    for (const other of ["=?base64?=", "=?Base64?YQ==?=", "=?base64?YQ==", "base64?YQ==?="])
      expect(decodeHeaderValue(other)).toBe(other);
  });

  test("a value is sent plain where headers can hold it, and is read back as it was", () => {
    expect(encodeHeaderValue("search")).toBe("search");
    expect(encodeHeaderValue("two words")).toBe("two words");
    for (const odd of ["", " x", "x ", "größe", "a\nb", "=?base64?eA==?="])
      expect(encodeHeaderValue(odd), odd).toBe(base64(odd));
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: "binary" })), (value) => {
        const sent = new Headers({ "mcp-name": encodeHeaderValue(value) }).get("mcp-name")!;
        expect(decodeHeaderValue(sent)).toBe(value);
      }),
    );
  });

  test("a broken one has no value", () => {
    for (const broken of ["*", "/w==", "Y", "SGVsbG8", "SGVs bG8=", "SGVsbG8==", "====", "SGVsbG8=\n"].map(
      (one) => `=?base64?${one}?=`,
    ))
      expect(decodeHeaderValue(broken)).toBeUndefined();
  });
});

describe("the catalogue", () => {
  const facts = (tools: unknown) => Object.fromEntries(toolFacts({ tools }));
  const schema = (properties: unknown) => ({ name: "t", inputSchema: { type: "object", properties } });
  const declared = (properties: unknown) => facts([schema(properties)])["t"]!.paramHeaders;

  test("a tool only reads where its annotation is exactly true", () => {
    const annotated = (name: string, readOnlyHint: unknown) => ({ name, annotations: { readOnlyHint } });
    const tools = [
      annotated("a", true),
      annotated("b", false),
      annotated("c", "true"),
      annotated("d", 1),
      { name: "e" },
      { name: "f", annotations: [true] },
    ];
    expect(
      Object.entries(facts(tools))
        .filter(([, { readOnly }]) => readOnly)
        .map(([name]) => name),
    ).toEqual(["a"]);
  });

  test("malformed tools are passed over", () => {
    expect(facts([null, 1, "x", {}, { name: 5 }, [], { name: "ok", inputSchema: 5, annotations: null }])).toEqual({
      ok: { readOnly: false, isIdempotent: false, paramHeaders: [], isWrapped: false },
    });
    for (const result of [null, undefined, [], {}, { tools: null }, { tools: {} }, "x"])
      expect([...toolFacts(result)]).toEqual([]);
  });

  test("declared headers are found at any depth of properties", () => {
    expect(
      declared({
        region: { type: "string", "x-mcp-header": "Region" },
        plain: { type: "string" },
        filter: { type: "object", properties: { tenant: { type: "string", "x-mcp-header": "Tenant-Id" } } },
      }),
    ).toEqual([
      { path: ["region"], header: "mcp-param-Region" },
      { path: ["filter", "tenant"], header: "mcp-param-Tenant-Id" },
    ]);
  });

  test("headers that are no tokens, and those not reached by properties alone, are passed over", () => {
    expect(
      declared({
        a: { "x-mcp-header": "" },
        b: { "x-mcp-header": "two words" },
        c: { "x-mcp-header": "a:b" },
        d: { "x-mcp-header": 5 },
        e: { type: "array", items: { properties: { x: { "x-mcp-header": "X" } } } },
        f: { anyOf: [{ properties: { x: { "x-mcp-header": "X" } } }] },
        g: { "x-mcp-header": "a\nb" },
      }),
    ).toEqual([]);
  });

  test("a schema of thousands of levels is read to a bound", () => {
    let nested: unknown = { "x-mcp-header": "Deep" };
    for (let level = 0; level < 3_000; level++) nested = { properties: { p: nested } };
    expect(declared({ top: { "x-mcp-header": "Top" }, p: nested })).toEqual([
      { path: ["top"], header: "mcp-param-Top" },
    ]);
  });
});

describe("mirrored arguments", () => {
  const region: ParamHeader[] = [{ path: ["region"], header: "mcp-param-Region" }];
  const agree = (value: unknown, sent: string | null) =>
    paramHeadersAgree(region, value === undefined ? {} : { region: value }, (name) =>
      name === "mcp-param-Region" ? sent : null,
    );

  test.each<[unknown, string]>([
    ["eu", "eu"],
    ["", ""],
    ["eu", base64("eu")],
    ["größe", base64("größe")],
    ["=?base64?eA==?=", base64("=?base64?eA==?=")],
    ["42", "42"],
    [42, "42"],
    [42, "42.0"],
    [42, "4.2e1"],
    [42, base64("42")],
    [-7, "-7"],
    [0, "0"],
    [0.5, "0.50"],
    [true, "true"],
    [false, "false"],
  ])("the argument %j agrees with the header %j", (value, sent) => {
    expect(agree(value, sent)).toBe(true);
  });

  test.each<[unknown, string | null]>([
    ["eu", null],
    ["eu", "EU"],
    ["eu", "us"],
    ["eu", ""],
    ["eu", "=?base64?*?="],
    ["=?base64?eA==?=", "=?base64?eA==?="],
    ["42", "42.0"],
    [42, "43"],
    [42, null],
    [42, ""],
    [42, "0x2a"],
    [42, "+42"],
    [42, "42 apples"],
    [42, "=?base64?*?="],
    [0, ""],
    [0, " "],
    [0, "=?base64??="],
    [true, "True"],
    [true, "1"],
    [false, "0"],
    [false, null],
    [null, "null"],
    [null, ""],
    [undefined, "undefined"],
    [undefined, ""],
    [{}, "[object Object]"],
    [["eu"], "eu"],
  ])("the argument %j does not agree with the header %j", (value, sent) => {
    expect(agree(value, sent)).toBe(false);
  });

  test("a null or absent argument has no header", () => {
    expect(agree(null, null)).toBe(true);
    expect(agree(undefined, null)).toBe(true);
    for (const args of [undefined, null, [], "x"]) expect(paramHeadersAgree(region, args, () => null)).toBe(true);
  });

  test("nested arguments are followed, prototypes are not", () => {
    const nested: ParamHeader[] = [{ path: ["filter", "tenant"], header: "mcp-param-Tenant" }];
    expect(paramHeadersAgree(nested, { filter: { tenant: "t1" } }, () => "t1")).toBe(true);
    expect(paramHeadersAgree(nested, { filter: { tenant: "t1" } }, () => "t2")).toBe(false);
    expect(paramHeadersAgree(nested, { filter: "x" }, () => null)).toBe(true);
    expect(paramHeadersAgree([{ path: ["constructor", "name"], header: "x" }], {}, () => null)).toBe(true);
    expect(paramHeadersAgree([{ path: ["list", "length"], header: "x" }], { list: [1] }, () => null)).toBe(true);
  });

  test("every declared header has to agree, undeclared ones do not matter", () => {
    const two: ParamHeader[] = [...region, { path: ["size"], header: "mcp-param-Size" }];
    const headers = new Headers({ "mcp-param-region": "eu", "mcp-param-size": "5", "mcp-param-other": "x" });
    expect(paramHeadersAgree(two, { region: "eu", size: 5 }, (name) => headers.get(name))).toBe(true);
    expect(paramHeadersAgree(two, { region: "eu", size: 6 }, (name) => headers.get(name))).toBe(false);
    expect(paramHeadersAgree([], { region: "eu" }, () => null)).toBe(true);
  });
});
