/** Of an IPv6 address, as many groups say whose it is: who has one has all of its /64. */
const GROUPS = 4;

/**
 * Where a request came from, as Cloudflare says: the one header about it that a caller cannot choose. An IPv6 address
 * stands for its /64. Empty where nobody says, as on a machine of one's own.
 */
export function clientAddress(headers: Headers): string {
  const address = headers.get("cf-connecting-ip") ?? "";
  if (!address.includes(":")) return address;
  const [before, after] = address.toLowerCase().split("::").map(groupsOf);
  const zeros = after ? Math.max(0, 2 * GROUPS - before!.length - after.length) : 0;
  const groups = [...before!, ...Array<string>(zeros).fill("0"), ...(after ?? [])];
  return groups
    .slice(0, GROUPS)
    .map((group) => group.replace(/^0+(?=.)/, ""))
    .join(":");
}

function groupsOf(text: string): string[] {
  return text === "" ? [] : text.split(":");
}
