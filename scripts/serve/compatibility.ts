/** The runtime's behaviour, as `wrangler.toml` has it; a test holds the two together. */
export const COMPATIBILITY = {
  compatibilityDate: "2026-11-02",
  compatibilityFlags: ["global_fetch_strictly_public", "enable_request_signal"],
};
