import { CODE } from "../mcp/names.ts";
import type { Failure } from "./Exchange.ts";

/** Where the replica must know what a message says: which of two keys of one name the origin would take is not for us to guess. */
export const DUPLICATE_KEYS: Failure = {
  kind: "rejected",
  status: 400,
  code: CODE.invalidRequest,
  reason: "duplicate-keys",
  message: "The message has two keys of one name",
};
