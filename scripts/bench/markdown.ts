/** A number for people, without a fraction. */
export function whole(value: number): string {
  return Math.round(value).toLocaleString("en");
}

/** A table in Markdown; numbers stand at the right. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map((_, index) => (index === 0 ? "---" : "--:"))), ...rows.map(line)].join("\n");
}
