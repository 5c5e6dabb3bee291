import { digest } from "../cache/key.ts";
import { sameText } from "./sameText.ts";

/** Why somebody may not do what operators do. */
export type AdminRefusal =
  /** No token, or not the right one. */
  | { kind: "admin-unauthorized" }
  /** There is no token that could be right, and this is not loopback. */
  | { kind: "admin-closed" };

/** What says who an operator is. */
export interface AdminCredentials {
  authorization: string | null;
  /** Whether it is on this machine. */
  isHere: boolean;
  /** The secret `ADMIN_TOKEN`; without one operators are on loopback. */
  token: string | undefined;
}

/** Why the caller is no operator; `undefined` where it is one. */
export async function authenticateAdmin(by: AdminCredentials): Promise<AdminRefusal | undefined> {
  if (!by.token) return by.isHere ? undefined : { kind: "admin-closed" };
  const given = /^Bearer +(\S+) *$/i.exec(by.authorization ?? "")?.[1] ?? "";
  // Digests are of one length, so that nothing is learned of the token's.
  const [own, others] = await Promise.all([digest(by.token), digest(given)]);
  return sameText(own, others) ? undefined : { kind: "admin-unauthorized" };
}
