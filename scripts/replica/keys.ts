import type { KeyPage, KeyStatus, ListedKeyStatus, MadeKey } from "../../src/http/admin/KeyStatus.ts";
import { options, UsageError } from "../commandLine.ts";
import { callReplica, LOCAL_URL } from "./callReplica.ts";
import { printable } from "./printable.ts";
import { ago, table } from "./table.ts";

export const KEYS_USAGE = `npm run replica -- keys create --name NAME [--role ROLE]... [--tenant T] [--scope S]... [--expires 90d]
npm run replica -- keys list | revoke ID | rotate ID [--overlap 24h]      (all of keys: [--url URL] [--json])`;

const PATH = "/admin/keys";
/** Of pages of keys, 50 each. */
const MAX_PAGES = 200;

/** What each command takes: how many words, and which options. */
const COMMANDS: Readonly<Record<string, { words: number; takes: readonly string[] }>> = {
  create: { words: 0, takes: ["name", "role", "tenant", "scope", "expires"] },
  list: { words: 0, takes: [] },
  revoke: { words: 1, takes: [] },
  rotate: { words: 1, takes: ["overlap"] },
};

/** `replica keys`: makes, lists, rotates and revokes the API keys of a replica, local or deployed. A new key is all that goes to standard output. */
export async function keys(args: string[]): Promise<void> {
  const { values, positionals } = options({
    args,
    allowPositionals: true,
    options: {
      name: { type: "string" },
      role: { type: "string", multiple: true },
      tenant: { type: "string" },
      scope: { type: "string", multiple: true },
      expires: { type: "string" },
      overlap: { type: "string" },
      url: { type: "string", default: LOCAL_URL },
      json: { type: "boolean", default: false },
    },
  });
  const { name, role: roles, tenant, scope: scopes, expires, overlap, url, json } = values;
  const [word = "", ...words] = positionals;
  const command = Object.hasOwn(COMMANDS, word) ? COMMANDS[word] : undefined;
  if (!command) throw new UsageError("Name what to do: keys create, list, revoke or rotate.");
  if (words.length !== command.words)
    throw new UsageError(command.words === 0 ? `keys ${word} takes options alone.` : `Name one key: keys ${word} ID`);
  const odd = Object.keys(values).find((key) => !["url", "json", ...command.takes].includes(key));
  if (odd !== undefined) throw new UsageError(`keys ${word} takes no --${odd}.`);
  const post = (body: object) => callReplica(url, PATH, { method: "POST", body: { do: word, ...body } });
  const [id] = words;
  switch (word) {
    case "create":
      if (name === undefined) throw new UsageError("Give the key a --name, by which you will know it.");
      return tellMade("create", await post({ name, roles, tenant, scopes, expires }), json);
    case "rotate":
      return tellMade("rotate", await post({ id, overlap }), json);
    case "revoke": {
      const text = await post({ id });
      console.log(
        json
          ? text
          : `${titleOf(JSON.parse(text) as KeyStatus)} is revoked: within two minutes it is refused everywhere.`,
      );
      return;
    }
    default: {
      const all = await listAll(url);
      console.log(json ? JSON.stringify({ keys: all }) : keysText(all, Date.now()));
    }
  }
}

/** Says what was made on standard error, so that nothing but the key is in what is kept of standard output. */
function tellMade(done: "create" | "rotate", text: string, json: boolean): void {
  const made = JSON.parse(text) as MadeKey;
  const isRotated = done === "rotate";
  const old =
    made.oldUntil === undefined ? "is refused everywhere within two minutes" : `works until ${dateOf(made.oldUntil)}`;
  const facts = [
    `${titleOf(made)} ${isRotated ? "has a new secret" : "is made"}. It is shown this once; send it as Authorization: Bearer.`,
    ...(made.expiresAt === undefined ? [] : [`It expires at ${dateOf(made.expiresAt)}.`]),
    ...(isRotated ? [`The old one ${old}.`] : []),
    ...(made.isIdle
      ? ["It has none of the roles in access.roles, so it may use nothing: make another with --role."]
      : []),
    "Where the replica runs in several places, some may learn of it a minute later.",
  ];
  console.error(facts.join("\n"));
  console.log(json ? text : made.key);
}

function titleOf({ id, name }: KeyStatus): string {
  return name === undefined ? `Key ${id}` : `Key "${printable(name)}" (id ${id})`;
}

async function listAll(url: string): Promise<ListedKeyStatus[]> {
  const all: ListedKeyStatus[] = [];
  let cursor: string | undefined;
  for (let page = 0; page < MAX_PAGES; page++) {
    const query = cursor === undefined ? "" : `?cursor=${encodeURIComponent(cursor)}`;
    const answer = JSON.parse(await callReplica(url, PATH + query, { method: "GET" })) as KeyPage;
    all.push(...answer.keys);
    cursor = answer.cursor;
    if (cursor === undefined) break;
  }
  if (cursor !== undefined) console.error(`There are more: these are ${all.length} of them.`);
  return all.toSorted((a, b) => (a.createdAt ?? 0) - (b.createdAt ?? 0));
}

/** Keys as a table, for people. `now` is epoch ms. */
export function keysText(all: readonly ListedKeyStatus[], now: number): string {
  if (all.length === 0) return "There are no keys. Make one: npm run replica -- keys create --name NAME";
  const head = ["id", "name", "roles", "tenant", "state", "made", "expires", "last used"];
  const rows = all.map(
    ({ id, name = "-", roles = [], tenant = "-", createdAt, expiresAt, usedAt, state, oldUntil }) => [
      id,
      name,
      roles.join(", ") || "-",
      tenant,
      oldUntil === undefined ? state : `${state}, the old one works until ${dateOf(oldUntil)}`,
      createdAt === undefined ? "-" : dateOf(createdAt),
      expiresAt === undefined ? "never" : dateOf(expiresAt),
      usedAt === null ? "-" : `${ago(now - usedAt)} ago`,
    ],
  );
  return table([head, ...rows.map((row) => row.map((cell) => printable(cell)))], head.length).join("\n");
}

/** A time as people write it, in UTC. */
function dateOf(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 16).replace("T", " ")} UTC`;
}
