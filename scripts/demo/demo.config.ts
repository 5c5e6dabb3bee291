import { defineReplica } from "../../src/config/index.ts";

/** The demo's policy: as the replica's own, but with a ttl and a pulse short enough to watch them pass. */
export default defineReplica({
  origins: {
    bcd: {
      url: { env: "ORIGIN_URL" },
      lists: { staleIfError: "7d" },
      sync: { pulse: "1s" },
      tools: {
        get_feature: { cache: { ttl: "2s", staleIfError: "7d", scope: "public", tags: ["feature:{id}"], tell: true } },
        add_note: { write: { invalidates: ["feature:{id}"] } },
      },
      resources: { "bcd://*": { cache: { ttl: "1h", scope: "public" } } },
    },
  },
  access: { open: true },
});
