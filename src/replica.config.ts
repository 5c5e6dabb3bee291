import { defineReplica } from "./config/index.ts";

/** The operator's file. As it stands it serves the origin to try the replica with: `npm start`. */
export default defineReplica({
  origins: {
    bcd: {
      url: { env: "ORIGIN_URL" },
      lists: { defaultTtl: "1m", staleIfError: "7d" },
      tools: {
        search_features: {
          cache: { ttl: "5m", staleWhileRevalidate: "1h", staleIfError: "7d", scope: "public", tell: true },
        },
        get_feature: { cache: { ttl: "30s", staleIfError: "7d", scope: "public", tags: ["feature:{id}"], tell: true } },
        check_support: {
          cache: { ttl: "5m", staleWhileRevalidate: "1h", staleIfError: "7d", scope: "public", tell: true },
        },
        list_supported: {
          cache: { ttl: "5m", staleWhileRevalidate: "1h", staleIfError: "7d", scope: "public", tell: true },
        },
        // Who adds a note reads it at once, wherever they read it.
        add_note: { write: { invalidates: ["feature:{id}", "resource:bcd://feature/{id}", "resource:bcd://notes"] } },
        "list_*": { cache: { ttl: "5m", staleIfError: "1d", scope: "public" } },
      },
      resources: { "bcd://*": { cache: { staleIfError: "7d", scope: "public" } } },
      prompts: { "*": { cache: { ttl: "5m", staleIfError: "7d" } } },
    },
  },
  access: { open: true },
  // On loopback nobody is limited. The numbers stand in wrangler.toml.
  limits: { edge: "EDGE_LIMIT", origin: "ORIGIN_LIMIT" },
});
