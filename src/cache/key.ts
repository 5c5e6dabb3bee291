import canonicalize from "canonicalize";
import { toHex } from "./hex.ts";
import type { CacheableMethod } from "../mcp/methods.ts";

/** Raised when what a stored entry means changes: older entries are then never found, and lapse. */
const FORMAT = 1;

/** The class of those who declare nothing that matters: nearly everybody. */
const NO_CAPABILITIES = "{}";
const NO_CAPABILITIES_TEXT = JSON.stringify(NO_CAPABILITIES);

/** Where an answer is kept: all that it depends on. */
export interface Address {
  /** Canonical JSON (RFC 8785) of everything the answer depends on. The key in memory; its SHA-256 is the key elsewhere. */
  text: string;
  originId: string;
  method: string;
  target: string | null;
  partition: Partition;
  /** The SHA-256 of `text` in hex, once somebody has asked for it. */
  sha256?: string;
}

/** Whose answers they are: everybody's, or one principal's; and only in one session, where the origin opened one. */
export type Partition = { scope: "public" } | { scope: "private"; principal: string; session?: string };

/** The partition that every caller shares. */
export const PUBLIC: Partition = Object.freeze({ scope: "public" });

/** What identifies an answer besides whose it is. */
export interface Subject {
  originId: string;
  /** What makes answers of one configuration unusable for another. */
  identity: string;
  method: string;
  target: string | null;
  /** The arguments or the cursor; `undefined` where absent. */
  variant: unknown;
  /** Canonical JSON of the client capabilities that the answer may depend on. */
  capabilities: string;
}

/** The address of a subject in a partition; `undefined` where the arguments have no canonical form (lone surrogates). */
export function addressOf(subject: Subject, partition: Partition): Address | undefined {
  try {
    const { originId, identity, method, target, variant, capabilities } = subject;
    // Absent arguments and empty ones are different requests, and so are an absent and an empty cursor.
    const asked = variant === undefined ? "null" : `[${canonicalize(variant)}]`;
    const owner = partition.scope === "public" ? "null" : ownerOf(partition);
    const declared = capabilities === NO_CAPABILITIES ? NO_CAPABILITIES_TEXT : canonicalize(capabilities);
    // An array, written part by part: that takes half as long.
    const text = `[${originPart(originId, identity)},${canonicalize(method)},${canonicalize(target)},${asked},${owner},${declared}]`;
    return { text, originId, method, target, partition };
  } catch {
    return undefined;
  }
}

let latest = { originId: "", identity: "", part: "" };

/** The part of an address that all of an origin's have. It is long, and mostly the one that was written last. */
function originPart(originId: string, identity: string): string {
  if (latest.originId !== originId || latest.identity !== identity) {
    latest = { originId, identity, part: `${FORMAT},${canonicalize(originId)},${canonicalize(identity)}` };
  }
  return latest.part;
}

function ownerOf({ principal, session }: Extract<Partition, { scope: "private" }>): string | undefined {
  return canonicalize(session === undefined ? principal : [principal, session]);
}

/** The class of declared capabilities on which an answer to the method may depend, in canonical JSON. */
export function capabilityClass(shape: CacheableMethod, capabilities: Readonly<Record<string, unknown>>): string {
  const relevant =
    shape.capabilities === "all"
      ? capabilities
      : shape.capabilities === "extensions"
        ? capabilities["extensions"]
        : null;
  for (const _ in (relevant ?? {}) as object) {
    try {
      return canonicalize(relevant) as string;
    } catch {
      // Lone surrogates have no canonical form. As written they make a class of their own, which no canonical text equals.
      return JSON.stringify(relevant);
    }
  }
  return NO_CAPABILITIES;
}

/** The SHA-256 of an address in hex: the key wherever keys are seen by others. */
export async function digestOf(address: Address): Promise<string> {
  return (address.sha256 ??= await digest(address.text));
}

/** The SHA-256 of a text in hex. */
export async function digest(text: string): Promise<string> {
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return toHex(hash);
}
