import { lifetimeMs, type Entry } from "../cache/entry.ts";
import { ageMs } from "../cache/freshness.ts";
import { ownId } from "../config/tenant.ts";
import { isObject } from "../mcp/isObject.ts";
import { cacheableMethod } from "../mcp/methods.ts";
import { META_SERVER_INFO, TASKS_EXTENSION } from "../mcp/names.ts";
import type { Call } from "../mcp/recognise.ts";
import { LEGACY_VERSIONS, MODERN_VERSION } from "../mcp/versions.ts";
import { candidatesOf, inKv, inMemory } from "./candidates.ts";
import type { Exchange } from "./Exchange.ts";

/** The request with which callers of an era open: the answers to these keep a connection possible while the origin is down. */
export function bootstrapCall(method: "server/discover" | "initialize", version: string): Call {
  const modern = method === "server/discover";
  return {
    era: modern ? "modern" : "legacy",
    version,
    id: 0,
    method,
    shape: cacheableMethod(method) ?? { eras: ["legacy"], hints: false, capabilities: "none" },
    // What is asked for by `initialize` is a version.
    target: modern ? null : version,
    variant: undefined,
    capabilities: {},
    params: {},
    wantsProgress: false,
    cacheControl: undefined,
  };
}

/** What is stored of a bootstrap answer. */
export async function storedBootstrap(
  x: Exchange,
  method: "server/discover" | "initialize",
  version: string,
): Promise<Entry | undefined> {
  const call = bootstrapCall(method, version);
  const candidates = candidatesOf(x, call, x.origin.lists)!;
  const entry = inMemory(x, candidates, call.era) ?? (await inKv(x, candidates, call.era));
  return entry && ageMs(entry, x.now()) < lifetimeMs(entry) ? entry : undefined;
}

/** The stored discover answer, retold as an answer to `initialize`: for outages, and where the origin is modern only. */
export async function discoverAsInitialize(x: Exchange, version: string): Promise<Entry | undefined> {
  const entry = await storedBootstrap(x, "server/discover", MODERN_VERSION);
  return entry && asInitialize(x, entry, version);
}

/** A discover answer, retold as an answer to `initialize` (basic/lifecycle: the version asked for where it is known, else the newest). */
export function asInitialize(x: Exchange, entry: Entry, version: string): Entry {
  const { capabilities, instructions } = members(entry.body);
  return retold(entry, {
    protocolVersion: LEGACY_VERSIONS.includes(version) ? version : LEGACY_VERSIONS[0],
    // Of the log nothing is asked for, see `translate.ts`.
    capabilities: deliverable(capabilities, []),
    serverInfo: members(entry.meta)[META_SERVER_INFO] ?? { name: ownId(x.origin.settings.id), version: "0" },
    ...(instructions !== undefined && { instructions }),
  });
}

/** A stored answer to `initialize`, retold as a discover answer: for outages, and where the origin is of the earlier revisions. */
export async function initializeAsDiscover(x: Exchange): Promise<Entry | undefined> {
  for (const version of LEGACY_VERSIONS) {
    const entry = await storedBootstrap(x, "initialize", version);
    if (!entry) continue;
    const { capabilities, instructions, serverInfo } = members(entry.body);
    const told = retold(entry, {
      supportedVersions: [MODERN_VERSION],
      capabilities: {
        // Each call asks for the log by itself, so that it can be delivered without a session.
        ...deliverable(capabilities, ["logging"]),
        ...(x.origin.settings.tellsOperations && { extensions: { [TASKS_EXTENSION]: {} } }),
      },
      ...(instructions !== undefined && { instructions }),
    });
    // A session is opened for each legacy caller; what the origin is does not change with it.
    const ttlMs = entry.opensSession ? x.origin.lists.defaultTtlMs : told.ttlMs;
    return { ...told, ttlMs, meta: JSON.stringify({ [META_SERVER_INFO]: serverInfo }).slice(1, -1) };
  }
  return undefined;
}

function retold(entry: Entry, result: Record<string, unknown>): Entry {
  // Nothing is promised: the origin may come to speak the other era itself.
  const { clientTtlMs: _, ...kept } = entry;
  return { ...kept, promisedMs: 0, body: JSON.stringify(result).slice(1, -1), meta: "" };
}

/** The capabilities that can be kept in the other era, without the flags that promise notifications: nobody sends any. */
function deliverable(capabilities: unknown, more: readonly string[]): Record<string, unknown> {
  const kept: Record<string, unknown> = {};
  if (!isObject(capabilities)) return kept;
  for (const name of ["tools", "prompts", "resources", "completions", ...more])
    if (isObject(capabilities[name])) kept[name] = {};
  return kept;
}

function members(text: string): Record<string, unknown> {
  return JSON.parse(`{${text}}`) as Record<string, unknown>;
}
