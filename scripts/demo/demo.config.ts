import { defineReplica } from "../../src/config/index.ts";

/** The demo's policy: as the replica's own, but with a ttl short enough to watch it pass. */
export default defineReplica({
  origins: {
    bcd: {
      url: { env: "ORIGIN_URL" },
      lists: { staleIfError: "7d" },
      tools: { get_feature: { cache: { ttl: "2s", staleIfError: "7d", scope: "public", tell: true } } },
    },
  },
  access: { open: true },
});
