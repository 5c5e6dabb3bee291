/** A number of things for people: `20,968 rows`, `1 row`. */
export function count(number: number, thing: string): string {
  return `${grouped(number)} ${thing}${number === 1 ? "" : "s"}`;
}

/** A whole number for people. */
export function grouped(number: number): string {
  return number.toLocaleString("en");
}
