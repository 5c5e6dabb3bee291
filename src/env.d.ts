/** What `wrangler.toml` and the operator's secrets bind. Secrets and service bindings are looked up by the names in the operator's file. */
declare namespace Cloudflare {
  interface Env {
    KV: KVNamespace;
    COALESCER: DurableObjectNamespace<import("./origin/Coalescer.ts").Coalescer>;
    ORIGIN_SYNC: DurableObjectNamespace<import("./sync/OriginSync.ts").OriginSync>;
    MIRROR_SYNC: DurableObjectNamespace<import("./mirror/MirrorSync.ts").MirrorSync>;
    OUTBOX: DurableObjectNamespace<import("./outbox/Outbox.ts").Outbox>;
    /** Where what is mirrored is held. */
    DB: D1Database;
    /** Pepper of the API keys' HMAC: a secret. */
    KEY_PEPPER?: string;
    /** What private entries in KV are sealed with: a secret of at least 32 characters. */
    ENTRY_SECRET?: string;
    /** Who may purge: a secret. */
    ADMIN_TOKEN?: string;
    /** `line`, `json` or `off`. */
    REPLICA_LOG?: string;
    /** `off` relays every call. */
    REPLICA_CACHE?: string;
  }
}
