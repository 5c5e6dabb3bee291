import type { Proposal } from "./propose.ts";

/** What a config file is made from. */
export interface Findings {
  /** The origin's id in the file. */
  id: string;
  url: string;
  proposals: readonly Proposal[];
}

/** A ready config file: every tool with its proposal and the reason for it. */
export function configFile({ id, url, proposals }: Findings): string {
  return `import { defineReplica } from "./config";

export default defineReplica({
  origins: {
    ${quoted(id)}: {
      url: ${JSON.stringify(url)},
      // What the origin gives no ttl for, and what clients need to connect, outlives an outage.
      lists: { defaultTtl: "1m", staleIfError: "7d" },
      tools: {
${proposals.map(line).join("\n")}
      },
    },
  },
  // Anybody, on loopback only. Before you deploy: access: { keys: true }, and the host names you serve in hosts.
  access: { open: true },
  // Of one caller. The numbers stand in wrangler.toml; on loopback nobody is counted.
  limits: { edge: "EDGE_LIMIT", origin: "ORIGIN_LIMIT" },
});
`;
}

function line({ tool, cache, reason }: Proposal): string {
  // Names come from the origin: in code they are quoted, in comments they cannot end the line.
  if (!cache) return `        // ${comment(tool)}: not cached: ${comment(reason)}.`;
  const fields = Object.entries(cache).map(([key, value]) => `${key}: ${JSON.stringify(value)}`);
  return `        ${quoted(tool)}: { cache: { ${fields.join(", ")} } }, // ${comment(reason)}.`;
}

/** A name as a property of an object literal. */
function quoted(name: string): string {
  if (name === "__proto__") return '["__proto__"]';
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name);
}

function comment(text: string): string {
  return JSON.stringify(text)
    .slice(1, -1)
    .replace(/[^\x20-\x7e]/g, "?");
}
