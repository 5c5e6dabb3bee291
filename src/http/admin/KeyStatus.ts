import type { KeyState, StoredKey } from "../../access/StoredKey.ts";

/** What operators see of a key. Times are epoch ms. */
export type KeyStatus = Partial<Pick<StoredKey, "name" | "createdAt" | "roles" | "tenant" | "scopes" | "expiresAt">> & {
  id: string;
  /** `unreadable`: its record is none, and lets nobody in. */
  state: KeyState | "unreadable";
  /** Until when the key before it works as well, where it is being rotated. */
  oldUntil?: number;
};

/** A key in a list. */
export type ListedKeyStatus = KeyStatus & {
  /** When it was last used, to the hour; `null` where that is not known. */
  usedAt: number | null;
};

/** What `GET /admin/keys` answers; `cursor` says where the next page begins. */
export interface KeyPage {
  keys: ListedKeyStatus[];
  cursor?: string;
}

/** A key that was made. */
export type MadeKey = KeyStatus & {
  /** The key itself: said this once. */
  key: string;
  /** It has none of the roles that there are, and may use nothing. */
  isIdle?: true;
};
