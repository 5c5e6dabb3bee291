import type { ReplicaConfig } from "./types.ts";

export type * from "./mirrorTypes.ts";
export type * from "./types.ts";
export type * from "./writeTypes.ts";

/** Types the operator's file. The file is validated when the Worker starts, and by `npm run check:config`. */
export function defineReplica(config: ReplicaConfig): ReplicaConfig {
  return config;
}
