import { setTimeout as pause } from "node:timers/promises";
import { type Fixture, type Seen, text, tool } from "./fixture.ts";
import type { Operation } from "./linearizable.ts";
import type { Replica } from "./replica.ts";
import { call, said } from "./wire.ts";
import type { OriginConfig } from "../../../src/config/types.ts";

/** What a register says that nobody has written. */
export const INITIAL = "nothing";

const READ = { cache: { ttl: "10m", scope: "public", tags: ["register:{key}"] } } as const;

/** The tools of an origin with registers: strict by default, because a write shares their tag. */
export const REGISTERS = {
  read: { cache: { ...READ.cache, tags: [...READ.cache.tags] } },
  write: { write: { invalidates: ["register:{key}"] } },
} satisfies OriginConfig["tools"];

/** The same registers, read by another tool from a mirror. */
export const MIRRORED = {
  tools: {
    look: {
      answer: { from: "registers", key: "{key}", notFound: { text: INITIAL, isError: false } },
      shape: { value: "{row.value}", structured: false, text: { template: "{row.value}" } },
    },
  },
  more: {
    collections: {
      registers: {
        from: { tool: "all" },
        key: "key",
        scope: "public",
        tags: ["register:{key}"],
        row: { tool: "row", arguments: { key: "{key}" } },
      },
    },
  },
} satisfies { tools: OriginConfig["tools"]; more: Pick<OriginConfig, "collections"> };

/**
 * Makes the origin keep registers. It takes a moment before and after it looks at one, or writes it; some writes fail and
 * change nothing, some are answered in streams, and those of the key `doubtful` may break off, made or not.
 */
export function keepRegisters(origin: Fixture, random: () => number): void {
  const registers = new Map<string, string>();
  const moment = (ms: number) => pause(random() * ms);
  origin.tools = ["read", "look", "all", "row", "write"].map((name) => tool(name));
  const read = async ({ params }: Seen) => {
    await moment(4);
    const value = registers.get(params.arguments.key) ?? INITIAL;
    await moment(4);
    return { ...text(value), sse: random() < 0.3 };
  };
  origin.on("tools/call read", read);
  origin.on("tools/call look", read);
  const rowOf = (key: string) => ({ key, value: registers.get(key) ?? INITIAL });
  origin.on("tools/call all", () => text(JSON.stringify([...registers.keys()].map(rowOf))));
  origin.on("tools/call row", async ({ params }) => {
    await moment(4);
    const row = rowOf(params.arguments.key);
    await moment(4);
    return text(JSON.stringify(row));
  });
  origin.on("tools/call write", async ({ params }) => {
    const { key, value } = params.arguments;
    const chance = random();
    await moment(10);
    if (chance < 0.15) return text("no", { isError: true });
    const breaksOff = key.endsWith("doubtful") && chance > 0.8;
    if (!breaksOff || chance > 0.9) registers.set(key, value);
    await moment(40);
    return breaksOff ? "reset" : { ...text("done"), sse: chance > 0.6 };
  });
}

/** What clients did and saw. */
export interface Recorded {
  history: Operation[];
  /** How many reads were answered from the cache. */
  hits: number;
  failures: number;
}

/** Some clients at each instance read and write the registers, each one call after the other. */
export async function record(
  replica: Replica,
  random: () => number,
  name: string,
  reading = "read",
): Promise<Recorded> {
  const recorded: Recorded = { history: [], hits: 0, failures: 0 };
  const keys = ["a", "b", "doubtful"].map((key) => `${name} ${key}`);
  let values = 0;
  const act = async (url: string) => {
    const key = keys[Math.floor(random() * keys.length)]!;
    const isWrite = random() < 0.25;
    const value = `${++values}`;
    // Some ask the origin itself, alone or with others: so it is seen when it changes.
    const chance = random();
    const headers = { "cache-control": chance < 0.3 ? "no-cache" : null };
    const meta = chance < 0.15 ? { progressToken: "p" } : {};
    const calledAt = performance.now();
    const got = await call(url, isWrite ? "write" : reading, isWrite ? { key, value } : { key }, { headers, meta });
    const returnedAt = performance.now();
    const { isError } = got.body?.result ?? { isError: true };
    const code = got.body?.result?._meta?.["edge-replica/error"]?.code;
    if (isWrite) {
      // The origin itself has said no; or nobody knows.
      if (isError && code === undefined) recorded.failures++;
      else recorded.history.push({ key, kind: "write", value, calledAt, returnedAt: isError ? Infinity : returnedAt });
    } else if (!isError) {
      if (got.cache?.status === "hit") recorded.hits++;
      recorded.history.push({ key, kind: "read", value: said(got), calledAt, returnedAt });
    }
  };
  const client = async (url: string) => {
    for (let nth = 0; nth < 50; nth++) await act(url);
  };
  await Promise.all(replica.urls.flatMap((url) => [1, 2, 3].map(() => client(`${url}/mcp`))));
  return recorded;
}
