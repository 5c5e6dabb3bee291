/** A new trace id: 32 random hex digits. */
export function newId(): string {
  return crypto.randomUUID().replaceAll("-", "");
}
