/** Rows in columns: the first `words` of them to the left, the others, which are numbers, to the right. */
export function table(rows: readonly (readonly string[])[], words = 1): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) =>
    row
      .map((cell, column) => (column < words ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
      .join("  ")
      .trimEnd(),
  );
}

const UNITS: readonly [string, number][] = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["min", 60_000],
  ["s", 1_000],
];

/** A span of ms as people say it, in the largest unit of which there are two. */
export function ago(ms: number): string {
  const [unit, length] = UNITS.find(([, length]) => ms >= 2 * length) ?? UNITS.at(-1)!;
  return `${Math.floor(Math.max(0, ms) / length)} ${unit}`;
}
