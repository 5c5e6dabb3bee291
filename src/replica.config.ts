import { defineReplica, type WriteConfig } from "./config/index.ts";

const NOTE: WriteConfig = {
  queue: "when-down",
  orderBy: "feature:{id}",
  invalidates: ["feature:{id}", "resource:bcd://feature/{id}", "resource:bcd://notes"],
  unlessTask: "notify",
};

/** The operator's file. As it stands it serves the origin to try the replica with: `npm start`. */
export default defineReplica({
  origins: {
    bcd: {
      url: { env: "ORIGIN_URL" },
      lists: { defaultTtl: "1m", staleIfError: "7d" },
      // Held in D1: what is answered from these is answered whatever is asked, also while the origin is down.
      collections: {
        features: {
          from: {
            tool: "list_features",
            arguments: { limit: 500, detail: "full" },
            rows: "/features",
            cursor: { argument: "cursor", next: "/nextCursor" },
            total: "/total",
          },
          key: "id",
          search: { columns: ["id", "description"], match: "contains" },
          tags: ["feature:{id}"],
          row: { tool: "get_feature", arguments: { id: "{id}" } },
          scope: "public",
        },
        browsers: { from: { resources: "bcd://browser/*" }, key: "id", scope: "public" },
      },
      tools: {
        get_feature: {
          answer: {
            from: "features",
            key: "{id}",
            notFound: { text: "There is no feature with the id {args.id|json}. Use search_features to find ids." },
          },
          verify: 0.01,
        },
        search_features: {
          answer: { from: "features", search: "{query}", orderBy: "key", limit: "{limit}" },
          shape: {
            value: { features: { each: { id: "{row.id}", description: "{row.description}" } }, total: "{total}" },
          },
          verify: 0.01,
        },
        check_support: {
          cache: { ttl: "5m", staleWhileRevalidate: "1h", staleIfError: "7d", scope: "public", tell: true },
        },
        list_supported: {
          cache: { ttl: "5m", staleWhileRevalidate: "1h", staleIfError: "7d", scope: "public", tell: true },
        },
        // Who adds a note reads it at once, wherever they read it. While the origin is down notes wait, and are sent later,
        // those on one feature in order: `add_note` at most once, `add_note_once` again where nobody knows whether it was executed.
        add_note: { write: NOTE },
        add_note_once: { write: { ...NOTE, idempotent: { argument: "request_id" } } },
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
