/** What is different each time by its nature, and what stands for it in a comparison. */
export type Changing = readonly [pattern: RegExp, standIn: string];

const OWN = "edge-replica/cache";

/** A value without the word of the replica's own about its cache, and with stand-ins for what changes by its nature. */
export function comparable(value: unknown, changing: readonly Changing[] = []): unknown {
  const walk = (value: unknown): unknown => {
    if (typeof value === "string") return changing.reduce((text, [what, by]) => text.replace(what, by), value);
    if (Array.isArray(value)) return value.map(walk);
    if (typeof value !== "object" || value === null) return value;
    const members = Object.entries(decoded(value)).flatMap(([key, member]) => {
      const others = key === "_meta" ? withoutOwn(member) : member;
      return others === undefined ? [] : [[key, walk(others)]];
    });
    return Object.fromEntries(members);
  };
  return walk(value);
}

function withoutOwn(meta: unknown): unknown {
  if (typeof meta !== "object" || meta === null || !(OWN in meta)) return meta;
  const { [OWN]: _, ...others } = meta;
  return Object.keys(others).length === 0 ? undefined : others;
}

/** A blob that is text is compared as text: it may contain what changes. */
function decoded(value: object): object {
  if (!("blob" in value) || !("mimeType" in value) || value.mimeType !== "text/plain") return value;
  return { ...value, blob: Buffer.from(value.blob as string, "base64").toString() };
}
