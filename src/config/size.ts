const UNIT_BYTES = { B: 1, KB: 1_024, MB: 1_048_576 } as const;

/** What a size looks like, for messages. */
export const SIZE_SHAPE = 'a size such as "500B", "64KB" or "4MB"';

/** The bytes of a size (`"4MB"`; 1 KB = 1,024 B), or `undefined` where the text is not one. */
export function parseSize(text: unknown): number | undefined {
  if (typeof text !== "string") return undefined;
  const match = /^(\d{1,9})(B|KB|MB)$/.exec(text);
  if (!match) return undefined;
  return Number(match[1]) * UNIT_BYTES[match[2] as keyof typeof UNIT_BYTES];
}
