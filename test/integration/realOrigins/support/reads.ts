import type { OriginConfig } from "../../../../src/config/types.ts";
import { actOf, type Call, titleOf } from "./calls.ts";
import type { Changing } from "./comparable.ts";
import type { Act } from "./exchange.ts";

/** Something to read that the operator lets the replica keep, by its exact name: for all callers alike, or for each one. */
export interface Read extends Act {
  method: "tools/call" | "resources/read" | "prompts/get";
  name: string;
  scope: "public" | "private";
  title: string;
  changing?: readonly Changing[] | undefined;
}

/** The reads among the calls of a table, each once. */
export function readsAmong(calls: readonly Call[]): Read[] {
  const reads = calls.flatMap((call) => {
    const { scope, tool } = call;
    if (scope === undefined) return [];
    return [{ method: "tools/call" as const, name: tool, scope, title: titleOf(call), ...actOf(call) }];
  });
  return [...new Map(reads.map((read) => [read.title, read])).values()];
}

export const resource = (uri: string, scope: Read["scope"]): Read => ({
  method: "resources/read",
  name: uri,
  scope,
  title: uri,
  do: (client) => client.readResource({ uri }),
});

export const prompt = (name: string, args: Record<string, string>, scope: Read["scope"]): Read => ({
  method: "prompts/get",
  name,
  scope,
  title: name,
  do: (client) => client.getPrompt({ name, arguments: args }),
});

/** The policy of an operator who knows what each of them does. What only writes is not in it. */
export function policyFor(reads: readonly Read[]): Pick<OriginConfig, "tools" | "resources" | "prompts"> {
  const of = (method: Read["method"]) =>
    Object.fromEntries(
      reads.flatMap((read) =>
        read.method === method ? [[read.name, { cache: { ttl: "60s" as const, scope: read.scope } }]] : [],
      ),
    );
  return { tools: of("tools/call"), resources: of("resources/read"), prompts: of("prompts/get") };
}
