import type { CacheRule, Origin, WriteRule } from "./replica.ts";

/** What the operator allows for one request. */
export type Policy =
  | { kind: "relay" }
  | { kind: "deny" }
  | { kind: "cache"; rule: CacheRule }
  /** Relayed; what it changes is invalidated. */
  | { kind: "write"; write: WriteRule }
  /** Cached only if the origin marks the tool `readOnlyHint: true`. */
  | { kind: "cache-if-read-only"; rule: CacheRule };

const RELAY: Policy = { kind: "relay" };
const DENY: Policy = { kind: "deny" };

/** The policy for a method and what it names (a tool, a URI, a prompt; `null` where the method names nothing). */
export function policyOf(origin: Origin, method: string, target: string | null): Policy {
  switch (method) {
    case "server/discover":
    case "initialize":
    case "tools/list":
    case "prompts/list":
    case "resources/list":
    case "resources/templates/list":
      return { kind: "cache", rule: origin.lists };
    case "tools/call":
      return toolPolicy(origin, target ?? "");
    case "resources/read": {
      const found = origin.resources.find(target ?? "");
      return { kind: "cache", rule: found?.value.cache ?? origin.unnamed };
    }
    case "prompts/get": {
      const rule = origin.prompts.find(target ?? "")?.value.cache;
      return rule ? { kind: "cache", rule } : RELAY;
    }
    default:
      return RELAY;
  }
}

function toolPolicy(origin: Origin, name: string): Policy {
  const found = origin.tools.find(name);
  if (found?.value.deny) return DENY;
  if (found) {
    if (found.value.write) return { kind: "write", write: found.value.write };
    if (!found.value.cache) return RELAY;
    return { kind: found.exact ? "cache" : "cache-if-read-only", rule: found.value.cache };
  }
  return origin.annotated ? { kind: "cache-if-read-only", rule: origin.annotated } : RELAY;
}
