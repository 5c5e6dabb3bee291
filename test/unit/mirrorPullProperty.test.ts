import { env } from "cloudflare:workers";
import fc from "fast-check";
import { expect, test } from "vitest";
import { columnValue } from "../../src/mirror/columnValue.ts";
import { rowOf, type MirrorRow } from "../../src/mirror/rowOf.ts";
import { runs, timeLimitMs } from "../support/runs.ts";
import { listed, Mirror, type Looked } from "./support/pulling.ts";

interface Row {
  id: string;
  name: string[];
  since?: string;
}

const IDS = "abcdefghijkl".split("");
const WORDS = ["grid", "ÉCLAIR", "Flexbox", "container", "日本語テキスト"];
const row = fc.record(
  {
    id: fc.constantFrom(...IDS),
    name: fc.uniqueArray(fc.constantFrom(...WORDS), { maxLength: 3 }),
    since: fc.constantFrom("1", "16.0", "16.4", "≤9", "soon"),
  },
  { requiredKeys: ["id", "name"] },
);
/** What changes at the origin: rows that are there from now on, and ids of those that are not. */
const edit = fc.record({ set: fc.array(row, { maxLength: 3 }), unset: fc.subarray(IDS, { maxLength: 4 }) });

const command = fc.oneof(
  { weight: 2, arbitrary: fc.record({ do: fc.constant("edit" as const), edit }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("pull" as const),
      size: fc.integer({ min: 1, max: 4 }),
      // Of each step: what it may use, whether what it came to is lost, and how the origin changes before one of its pages.
      steps: fc.array(
        fc.record({
          requests: fc.integer({ min: 1, max: 15 }),
          isLost: fc.nat({ max: 2 }).map((one) => one === 0),
          edit: fc.option(fc.tuple(fc.nat({ max: 2 }), edit), { freq: 2 }),
        }),
        { minLength: 1, maxLength: 6 },
      ),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("give up" as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("refresh" as const),
      edit,
      ids: fc.subarray(IDS, { minLength: 1, maxLength: 6 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("collect" as const), keep: fc.nat({ max: 3 }) }) },
);

test(
  "whatever breaks off, readers see one whole version, a version stays as it was, and after quiet it is the newest",
  async () => {
    let switches = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(row, { selector: ({ id }) => id, minLength: 4, maxLength: 12 }),
        fc.array(command, { minLength: 3, maxLength: 12 }),
        fc.constantFrom("words" as const, "contains" as const),
        // Which requests to D1 fail, and whether what they asked for is done.
        fc.array(fc.tuple(fc.nat({ max: 150 }), fc.boolean()), { maxLength: 8 }),
        async (begin, commands, match, faults) => {
          let calls = 0;
          let isFaulty = true;
          const db = {
            prepare: (sql: string) => env.DB.prepare(sql),
            batch: async (statements: D1PreparedStatement[]) => {
              const fault = faults.find(([at]) => at === calls);
              if (isFaulty) calls++;
              if (fault && isFaulty && !fault[1]) throw new Error("lost before");
              const results = await env.DB.batch(statements);
              if (fault && isFaulty) throw new Error("lost after");
              return results;
            },
          } as unknown as D1Database;
          const columns = [{ name: "since", at: "/since", as: "version" as const }];
          const search = { columns: ["/name", "/id"], match };
          const mirror = await new Mirror({ columns, indexes: [[0]], search }, db).prepare();

          const origin = new Map<string, Row>(begin.map((one) => [one.id, one]));
          const ever = new Set(begin.map((one) => JSON.stringify(one)));
          let editedAt = 0;
          const change = ({ set, unset }: { set: Row[]; unset: string[] }) => {
            for (const id of unset) origin.delete(id);
            for (const one of set) {
              origin.set(one.id, one);
              ever.add(JSON.stringify(one));
            }
            editedAt = mirror.clock++;
          };
          const now = () => new Map([...origin].map(([id, one]) => [id, JSON.stringify(one)]));
          /** What readers have seen of each version that is kept. */
          const versions = new Map<number, Map<string, string>>([[0, new Map()]]);
          let refreshed: Map<string, string> | undefined;

          const queryFor = (word: string) => JSON.stringify(match === "contains" ? word.toLowerCase().slice(1) : word);
          const look = async () => {
            const { record, rows, texts, finds } = await mirror.look(WORDS.map(queryFor));
            const { version, oldest } = record;
            const readAt = (one: number) => {
              const there = rows.filter(({ since, until }) => since <= one && until > one);
              const read = new Map(there.map(({ key, body }) => [key, body]));
              expect(read.size).toBe(there.length);
              return read;
            };
            const seen = readAt(version);
            expect(seen.size).toBe(record.size);
            if (!versions.has(version)) {
              switches++;
              versions.set(version, seen);
              for (const body of seen.values()) expect(ever).toContain(body);
              if (refreshed) expect(seen).toEqual(refreshed);
              else if (editedAt < record.asOf) expect(seen).toEqual(now());
            }
            for (const [one, before] of versions)
              if (one >= oldest) expect(readAt(one), `version ${one} of ${version}`).toEqual(before);
            expect(texts).toEqual(rows.map(({ id }) => id));
            for (const { c0, body } of rows) expect(c0).toBe(columnValue("version", (JSON.parse(body) as Row).since));
            for (const [nth, word] of WORDS.entries()) {
              const has = [...seen].filter(([, body]) => (JSON.parse(body) as Row).name.includes(word));
              const found = rows.filter(
                ({ id, key }) => finds[nth]!.includes(id) && seen.has(key) && id === live(rows, key, version),
              );
              expect(found.map(({ key }) => key).sort()).toEqual(has.map(([key]) => key).sort());
            }
            return { rows, version, seen };
          };

          for (const one of commands) {
            refreshed = undefined;
            if (one.do === "edit") change(one.edit);
            else if (one.do === "give up") mirror.state = undefined;
            else if (one.do === "collect")
              await mirror.store.collect(Math.max(...versions.keys()) - one.keep).catch(() => false);
            else if (one.do === "pull") {
              for (const { requests, isLost, edit } of one.steps) {
                let asked = 0;
                const rows = () => {
                  if (edit && edit[0] === asked++) change(edit[1]);
                  return [...origin.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
                };
                const { kind } = await mirror.step(
                  listed(rows, () => one.size),
                  { budget: { requests, ms: 1_000_000 }, save: () => !isLost },
                );
                await look();
                if (kind === "done") break;
              }
            } else {
              // A pull that is under way is not disturbed: it is given up.
              change(one.edit);
              mirror.state = undefined;
              const { seen: before } = await look();
              const changes: (MirrorRow | { gone: string })[] = [];
              refreshed = new Map(before);
              for (const id of one.ids) {
                const there = origin.get(id);
                if (there) {
                  changes.push((await rowOf(mirror.collection, there)) as MirrorRow);
                  refreshed.set(id, JSON.stringify(there));
                } else {
                  changes.push({ gone: id });
                  refreshed.delete(id);
                }
              }
              await mirror.store.refresh(changes, { feedId: "f", seq: 1 }).catch(() => undefined);
            }
            await look();
          }

          refreshed = undefined;
          isFaulty = false;
          // What goes on from an earlier time may be of before the last edit.
          const quiet = listed(
            () => [...origin.values()],
            () => 5,
          );
          await mirror.pull(quiet);
          const { kind } = await mirror.pull(quiet);
          expect(kind).toBe("done");
          const { version, seen } = await look();
          expect(seen).toEqual(now());
          expect(await mirror.store.collect(version)).toBe(true);
          expect((await look()).rows.length).toBe(origin.size);
          await mirror.store.drop();
        },
      ),
      { numRuns: runs(12, 600) },
    );
    expect(switches).toBeGreaterThan(12);
  },
  timeLimitMs(60_000),
);

/** The id of the row that readers of a version see under a key. */
function live(rows: Looked["rows"], key: string, version: number): number | undefined {
  return rows.find((row) => row.key === key && row.since <= version && row.until > version)?.id;
}
