import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Case, CASES, WHEN_DEAD, WHEN_OFFLINE } from "./support/eras/cases.ts";
import { type Connected, type ClientName, connect } from "./support/eras/connect.ts";
import { type Outcome, outcomeOf, plain, wordFor } from "./support/eras/outcome.ts";
import { ERAS_DOC, withTable } from "./support/eras/print.ts";
import { type CaseName, cellOf, type OriginName, type Pair, PAIRS, TABLE } from "./support/eras/table.ts";
import { type Replica, startReplica } from "./support/replica.ts";
import { startSdkFirstOrigin } from "./support/sdkFirstOrigin.ts";
import { type SdkOrigin, startSdkOrigin } from "./support/sdkOrigin.ts";

const SERVER: Record<OriginName, string> = {
  modern: "sdk-origin",
  stateless: "first",
  sessions: "first",
  pooled: "first",
};
const COLUMNS = (PAIRS as readonly Pair[]).flatMap((pair) =>
  pair.clients.map((client) => ({ name: `${client}, ${pair.origin} origin`, pair, client })),
);
const namesOf = <T extends object>(cases: T) => Object.keys(cases) as (keyof T & CaseName)[];

let origins: Record<OriginName, Omit<SdkOrigin, "release">>;
let replica: Replica;
/** The clients that stay connected when the origins die, by their columns. */
const through = new Map<string, Connected>();

beforeAll(async () => {
  const [modern, stateless, sessions] = await Promise.all([
    startSdkOrigin("reject"),
    startSdkFirstOrigin(),
    startSdkFirstOrigin({ sessions: true }),
  ]);
  origins = { modern, stateless, sessions, pooled: sessions };
  const cache = { ttl: "5m" } as const;
  const tools = { plain: { cache: { ...cache, scope: "public" } }, object: { cache }, array: { cache } } as const;
  const sync = { pulse: "250ms", listen: "auto" } as const;
  const entries = Object.entries(origins).map(
    ([name, { url }]) =>
      [name, { url, tools, sync, ...(name === "pooled" && { modernize: "always" as const }) }] as const,
  );
  // Nobody listens on the port that is for discarding.
  replica = await startReplica({
    origins: { ...Object.fromEntries(entries), dead: { url: "http://127.0.0.1:9/mcp" } },
  });
});
afterAll(async () => {
  for (const { close } of through.values()) await close();
  await replica?.close();
});

const urlOf = (origin: OriginName) => `${replica.mcp}/${origin}`;
const isConnected = (outcome: Outcome): outcome is { value: Connected } => "value" in outcome;

/** What came of connecting: it works if the client knows the server's name. */
function connectWord({ origin }: Pair, outcome: Outcome): string {
  const told = isConnected(outcome) ? { value: outcome.value.client.getServerVersion()?.name } : outcome;
  return wordFor({ words: { works: SERVER[origin] } }, told);
}

/** Connects through the replica; where it refuses, as one that remembers a modern server, so that it can ask all the same. */
async function connectAnyhow(client: ClientName, url: string, opened: Outcome): Promise<Connected> {
  return isConnected(opened) ? opened.value : connect(client, url, true);
}

describe.each(COLUMNS)("$name:", ({ name, pair, client }) => {
  let opened: Outcome;
  let directly: Outcome;
  beforeAll(async () => {
    directly = await outcomeOf(connect(client, origins[pair.origin].url));
    opened = await outcomeOf(connect(client, urlOf(pair.origin)));
    through.set(name, await connectAnyhow(client, urlOf(pair.origin), opened));
  });
  afterAll(async () => {
    if (isConnected(directly)) await directly.value.close();
  });

  test("connect", () => {
    expect(connectWord(pair, opened)).toBe(cellOf("connect", pair, client));
    // Others do without the replica only by falling back to an era that the pair is not about.
    const speaks = isConnected(directly) && (pair.isDirect || directly.value.isModern);
    expect(speaks).toBe(pair.isDirect);
  });

  test.each(namesOf(CASES))("%s", async (what) => {
    const one: Case = CASES[what];
    const origin = origins[pair.origin];
    // What a client remembers it was not told here.
    if (one.isOwn && !isConnected(opened)) return expect("not connected").toBe(cellOf(what, pair, client));
    const got = await outcomeOf(one.act(through.get(name)!, origin));
    expect(wordFor(one, got)).toBe(cellOf(what, pair, client));
    if (!pair.isDirect || one.isOwn || !isConnected(directly)) return;
    const own = await outcomeOf(one.act(directly.value, origin));
    if (one.direct === undefined) expect(plain(got)).toEqual(plain(own));
    else expect(wordFor(one, own)).toBe(one.direct);
  });
});

describe("when the origins are dead:", () => {
  beforeAll(() => Promise.all([...new Set(Object.values(origins))].map(({ close }) => close())));

  describe.each(COLUMNS)("$name, connected before:", ({ name, pair, client }) => {
    test.each(namesOf(WHEN_DEAD))("%s", async (what) => {
      const got = await outcomeOf(WHEN_DEAD[what].act(through.get(name)!, origins[pair.origin]));
      expect(wordFor(WHEN_DEAD[what], got)).toBe(cellOf(what, pair, client));
    });
  });

  describe.each(COLUMNS)("$name, connecting now:", ({ pair, client }) => {
    let opened: Outcome;
    let connected: Connected;
    beforeAll(async () => {
      opened = await outcomeOf(connect(client, urlOf(pair.origin)));
      connected = await connectAnyhow(client, urlOf(pair.origin), opened);
    });
    afterAll(() => connected?.close());

    test("connect, the origin down", () => {
      expect(connectWord(pair, opened)).toBe(cellOf("connect, the origin down", pair, client));
    });

    test.each(namesOf(WHEN_OFFLINE))("%s", async (what) => {
      const got = await outcomeOf(WHEN_OFFLINE[what].act(connected, origins[pair.origin]));
      expect(wordFor(WHEN_OFFLINE[what], got)).toBe(cellOf(what, pair, client));
    });

    test("connect, the origin down and never met", async () => {
      const got = await outcomeOf(connect(client, `${replica.mcp}/dead`));
      expect(wordFor({}, got)).toBe(cellOf("connect, the origin down and never met", pair, client));
    });
  });
});

test("every row of the table is tested, and no other", () => {
  const connecting = ["connect", "connect, the origin down", "connect, the origin down and never met"];
  const tested = [...connecting, ...namesOf(CASES), ...namesOf(WHEN_DEAD), ...namesOf(WHEN_OFFLINE)];
  expect(Object.keys(TABLE).toSorted()).toEqual(tested.toSorted());
});

test("docs/eras.md says what is tested: npm run docs:eras writes it", async () => {
  const doc = await readFile(ERAS_DOC, "utf8");
  expect(doc).toContain("<!-- table:begin -->");
  expect(doc).toBe(withTable(doc));
});
