/** The two eras of the protocol: stateless with a `_meta` envelope, or opened by `initialize`. */
export type Era = "modern" | "legacy";

/** The modern revision. */
export const MODERN_VERSION = "2026-07-28";

/** The legacy revisions, newest first. */
export const LEGACY_VERSIONS: readonly string[] = ["2025-11-25", "2025-06-18", "2025-03-26"];
