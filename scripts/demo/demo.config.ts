import { defineReplica } from "../../src/config/index.ts";

/** The demo's policy: as the replica's own, but with a ttl and a pulse short enough to watch them pass. */
export default defineReplica({
  origins: {
    bcd: {
      default: true,
      url: { env: "ORIGIN_URL" },
      lists: { staleIfError: "7d" },
      sync: { pulse: "1s" },
      tools: {
        get_feature: { cache: { ttl: "2s", staleIfError: "7d", scope: "public", tags: ["feature:{id}"], tell: true } },
        add_note: { write: { invalidates: ["feature:{id}"] } },
      },
      resources: { "bcd://*": { cache: { ttl: "1h", scope: "public" } } },
    },
    // The same origin once more, its features mirrored.
    mirrored: {
      url: { env: "ORIGIN_URL" },
      lists: { staleIfError: "7d" },
      sync: { pulse: "1s" },
      collections: {
        features: {
          from: {
            tool: "list_features",
            arguments: { limit: 2_000, detail: "full" },
            rows: "/features",
            cursor: { argument: "cursor", next: "/nextCursor" },
            total: "/total",
          },
          key: "id",
          search: { columns: ["id", "description"], match: "contains" },
          scope: "public",
        },
      },
      tools: {
        get_feature: {
          answer: {
            from: "features",
            key: "{id}",
            notFound: { text: "There is no feature with the id {args.id|json}. Use search_features to find ids." },
          },
        },
        search_features: {
          answer: { from: "features", search: "{query}", orderBy: "key", limit: "{limit}" },
          shape: {
            value: { features: { each: { id: "{row.id}", description: "{row.description}" } }, total: "{total}" },
          },
        },
      },
    },
    // And once more, with writes that are kept while it is down.
    written: {
      url: { env: "ORIGIN_URL" },
      lists: { staleIfError: "7d" },
      sync: { pulse: "1s" },
      tools: {
        get_feature: { cache: { ttl: "1m", staleIfError: "7d", scope: "public", tags: ["feature:{id}"], tell: true } },
        add_note: { write: { queue: "when-down", orderBy: "feature:{id}", invalidates: ["feature:{id}"] } },
      },
    },
  },
  access: { open: true },
});
