/** What is expected of a URL that the replica asks, for messages. */
export const URL_SHAPE =
  "an https URL, or an http one on loopback, without user, password or fragment; a private address only with allowPrivate: true";

/**
 * Whether the replica may ask a URL that the operator has written: https, or http on loopback; nothing in it that is a
 * credential; and no address of a private network, in whatever form it is written, unless `allowPrivate`.
 */
export function isAskable(text: string, allowPrivate = false): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, username, password, href } = new URL(text);
  if (username || password || href.includes("#")) return false;
  if (isLoopback(hostname)) return protocol === "https:" || protocol === "http:";
  return protocol === "https:" && (allowPrivate || !isPrivate(hostname));
}

/** Whether a host name, without its port, is this machine's own. */
export function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || hostname === "127.0.0.1";
}

/**
 * Whether a host, as `URL` normalises it, is none of the public internet: an address that is private, link-local,
 * reserved, shared or multicast (RFC 6890, IANA's registries of special-purpose addresses), one that stands for another
 * address, or a name that only a private network knows. What a public name resolves to, nobody can tell from it.
 */
export function isPrivate(hostname: string): boolean {
  if (hostname.startsWith("[")) return isPrivateV6(hostname.slice(1, -1));
  // `URL` has made four decimal numbers of whatever can be read as such an address.
  const parts = /^(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(hostname)?.slice(1).map(Number);
  return parts
    ? isPrivateV4(((parts[0]! * 256 + parts[1]!) * 256 + parts[2]!) * 256 + parts[3]!)
    : isPrivateName(hostname);
}

/** First address and length of the prefix. */
const V4: readonly (readonly [address: number, bits: number])[] = [
  [0x00000000, 8], // this network
  [0x0a000000, 8], // private
  [0x64400000, 10], // shared by a carrier's customers, and the metadata of one cloud
  [0x7f000000, 8], // loopback
  [0xa83f8110, 32], // the metadata of one cloud
  [0xa9fe0000, 16], // link-local, and the metadata of most clouds
  [0xac100000, 12], // private
  [0xc0000000, 24], // protocol assignments
  [0xc0000200, 24], // documentation
  [0xc0586300, 24], // 6to4 relays
  [0xc0a80000, 16], // private
  [0xc6120000, 15], // benchmarks
  [0xc6336400, 24], // documentation
  [0xcb007100, 24], // documentation
  [0xe0000000, 3], // multicast, reserved, broadcast
];

function isPrivateV4(address: number): boolean {
  return V4.some(([first, bits]) => address >= first && address < first + 2 ** (32 - bits));
}

/**
 * Global unicast is 2000::/3; what lies outside is loopback, private, link-local, multicast, or an IPv4 address in another
 * form (mapped, compatible, NAT64). Within it there are protocol assignments and Teredo, 6to4 and documentation.
 */
function isPrivateV6(address: string): boolean {
  const [first = 0, second = 0] = address.split(":").map((group) => Number.parseInt(group || "0", 16));
  if (first < 0x2000 || first > 0x3fff) return true;
  if (first === 0x2001) return second < 0x200 || second === 0xdb8;
  return first === 0x2002 || (first === 0x3fff && second < 0x1000);
}

const SUFFIXES = /(^|\.)(localhost|localdomain|local|internal|intranet|private|corp|home|lan|home\.arpa)$/;

function isPrivateName(hostname: string): boolean {
  const name = hostname.replace(/\.+$/, "");
  return !name.includes(".") || SUFFIXES.test(name);
}
