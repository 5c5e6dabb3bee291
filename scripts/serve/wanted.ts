import type { Access } from "../../src/config/replica.ts";

/** What callers have to show. */
export interface Wanted {
  /** How to come by it, as a line for people. */
  line: string;
  /** How curl sends it. */
  option: string;
}

/** What callers of a replica have to show; `undefined` where they need nothing. `where` is what names the replica to its command line. */
export function wanted({ open, keys, jwt, dev, roles }: Access, where: string): Wanted | undefined {
  if (open) return undefined;
  const option = (name: string) => ` -H "Authorization: Bearer $${name}"`;
  if (keys) {
    const role = roles ? ` --role ${[...roles.keys()][0]}` : "";
    const made = `KEY=$(npm run -s replica -- keys create --name me${role}${where})`;
    return { line: `Callers need a key: ${made}`, option: option("KEY") };
  }
  if (dev) return { line: "Callers need a token: TOKEN=one of access.dev.tokens", option: option("TOKEN") };
  if (jwt) return { line: `Callers need a token: TOKEN=an access token of ${jwt[0]!.issuer}`, option: option("TOKEN") };
  return { line: "Nobody is let in: the configuration's access says of nobody who may call.", option: "" };
}
