import { convertV4MiniflareOptions, Miniflare } from "miniflare";
import type { LocalKv } from "../serve/serve.ts";

/** Opens the KV of a local replica, which may be running. */
export async function openLocalKv(state: string): Promise<{ kv: LocalKv; close: () => Promise<void> }> {
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      modules: true,
      script: "export default {}",
      kvNamespaces: { KV: "KV" },
      resourcePersistencePath: state,
    }),
  );
  return { kv: (await miniflare.getKVNamespace("KV")) as unknown as LocalKv, close: () => miniflare.dispose() };
}
