/** A text of at most `length` characters in one line: names and words come from origins, and a terminal obeys some characters. */
export function printable(text: string, length = 60): string {
  const short = text.length > length ? `${text.slice(0, length - 3)}...` : text;
  return short.replace(/[\p{C}\p{Z}]/gu, (character) => (character === " " ? " " : "?"));
}
