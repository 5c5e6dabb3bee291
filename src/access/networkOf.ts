/**
 * Whose an address is: its IPv4 address, or the first 64 bits of its IPv6 address, as who has one has all of them. What is
 * no address is all one.
 */
export function networkOf(address: string): string {
  if (isIPv4(address)) return address;
  const groups = groupsOf(address);
  if (!groups) return "unknown";
  // An IPv4 address in other words (RFC 4291, 2.5.5.2).
  const isMapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
  if (isMapped) return [groups[6]! >> 8, groups[6]! & 255, groups[7]! >> 8, groups[7]! & 255].join(".");
  return `${groups
    .slice(0, 4)
    .map((group) => group.toString(16))
    .join(":")}::/64`;
}

function isIPv4(text: string): boolean {
  const parts = text.split(".");
  return parts.length === 4 && parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256);
}

/** The eight groups of an IPv6 address (RFC 4291, 2.2). */
function groupsOf(text: string): number[] | undefined {
  // A longer one is none, with its zone or without.
  if (text.length > 64) return undefined;
  const [address = ""] = text.split("%");
  const dotted = address.slice(address.lastIndexOf(":") + 1);
  if (dotted.includes(".") && !isIPv4(dotted)) return undefined;
  const [a, b, c, d] = dotted.split(".").map(Number);
  const whole = dotted.includes(".")
    ? `${address.slice(0, -dotted.length)}${(a! * 256 + b!).toString(16)}:${(c! * 256 + d!).toString(16)}`
    : address;
  const halves = whole.split("::");
  if (halves.length > 2) return undefined;
  const [head, tail] = halves.map((half) => (half === "" ? [] : half.split(":")));
  const missing = 8 - head!.length - (tail?.length ?? 0);
  if (tail ? missing < 1 : missing !== 0) return undefined;
  const groups = tail ? [...head!, ...Array<string>(missing).fill("0"), ...tail] : head!;
  return groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))
    ? groups.map((group) => Number.parseInt(group, 16))
    : undefined;
}
