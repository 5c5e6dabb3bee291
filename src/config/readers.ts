import type { Readers } from "./mirror.ts";
import type { Report } from "./report.ts";

/** What the operator says of who may be answered. */
interface Said {
  scope?: "public" | undefined;
  roles?: readonly string[] | undefined;
}

const WHO =
  'scope: "public", or roles: ["…"]: the rows are pulled with the replica\'s own credential, so only you can say who may be answered from them';

/** Who may be answered, `undefined` where that is not said; `known` are the roles that there are. */
export function readersOf({ scope, roles }: Said, known: ReadonlySet<string>, report: Report): Readers | undefined {
  if ((scope === undefined) === (roles === undefined)) {
    report(["scope"], scope === undefined ? "neither scope nor roles" : "both scope and roles", WHO);
    return undefined;
  }
  if (roles === undefined) return "public";
  for (const role of roles) if (!known.has(role)) report(["roles"], JSON.stringify(role), "names of access.roles");
  return { roles: [...new Set(roles)].toSorted() };
}

/** Whether all who may be answered from the one may be answered from the other. */
export function mayAllRead(some: Readers, other: Readers): boolean {
  if (other === "public") return true;
  return some !== "public" && some.roles.every((role) => other.roles.includes(role));
}
