import { sameText } from "./sameText.ts";
import type { StoredKey } from "./StoredKey.ts";

/** Until when a key of this HMAC lets its caller in, epoch ms (`Infinity`: for good); `undefined` where it does not now. */
export function goodUntil({ hmac, previous, expiresAt = Infinity }: StoredKey, given: string, now: number) {
  // Both are compared, whichever it is.
  const [isCurrent, isPrevious] = [sameText(hmac, given), previous !== undefined && sameText(previous.hmac, given)];
  const until = isCurrent ? expiresAt : isPrevious ? Math.min(expiresAt, previous!.until) : 0;
  return until > now ? until : undefined;
}
