import type { OriginConfig } from "../../../src/config/types.ts";

const PAGES = { cursor: { argument: "cursor", next: "/nextCursor" }, total: "/total" };
const BRIEF = { id: "{row.id}", description: "{row.description}" };
const LISTED = { features: { each: BRIEF }, total: "{total}" };

const support = (detail: string) => ({
  tool: "list_support",
  arguments: { limit: 2_000, detail },
  rows: "/support",
  ...PAGES,
});

const KNOWN_BROWSER = {
  known: { from: "browsers", every: "id" },
  browser: {
    from: "browsers",
    key: "{browser}",
    otherwise: { text: "There is no browser {args.browser|json}. The browsers are {known|join}." },
  },
};

const NO_FEATURE = {
  text: "There is no feature with the id {args.id|json}. Use search_features to find ids.",
};

/** The origin to try the replica with, mirrored whole: all its reading tools are answered from D1. */
export const DEMO_MIRROR = {
  collections: {
    features: {
      from: { tool: "list_features", arguments: { limit: 500, detail: "full" }, rows: "/features", ...PAGES },
      key: "id",
      search: { columns: ["id", "description"], match: "contains" },
      tags: ["feature:{id}"],
      row: { tool: "get_feature", arguments: { id: "{id}" } },
      scope: "public",
      every: "1h",
    },
    browsers: { from: { resources: "bcd://browser/*" }, key: "id", scope: "public", every: "1h" },
    support: { from: support("full"), key: ["id", "browser"], scope: "public", every: "1h", maxRows: 500_000 },
    ranges: {
      from: support("ranges"),
      key: ["id", "browser", "added"],
      index: [["browser", { at: "added", as: "version" }, { at: "removed", as: "version" }]],
      scope: "public",
      every: "1h",
      maxRows: 500_000,
    },
  },
  tools: {
    get_feature: { answer: { from: "features", key: "{id}", notFound: NO_FEATURE } },
    search_features: {
      answer: { from: "features", search: "{query}", orderBy: "key", limit: "{limit}" },
      shape: { value: LISTED },
    },
    check_support: {
      answer: {
        from: "support",
        key: ["{id}", "{browser}"],
        with: { feature: { from: "features", key: "{id}", otherwise: NO_FEATURE }, ...KNOWN_BROWSER },
        notFound: {
          text: "The data says nothing about {args.id} in {args.browser}. It covers {feature.support|keys}.",
        },
      },
    },
    list_supported: {
      answer: {
        from: "ranges",
        where: {
          browser: "{browser}",
          added: { lte: "{version}" },
          removed: { gt: "{version}", orNull: true },
        },
        orderBy: "key",
        limit: "{limit}",
        with: KNOWN_BROWSER,
      },
      shape: { value: LISTED },
    },
  },
} satisfies Pick<OriginConfig, "collections" | "tools">;
