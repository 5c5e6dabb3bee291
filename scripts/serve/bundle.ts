import { build } from "esbuild";
import { fileURLToPath } from "node:url";
import path from "node:path";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** The Worker as one module. `configFile` stands in for `src/replica.config.ts`; it may be any module whose default export is the plain object. */
export async function bundleWorker(configFile?: string): Promise<string> {
  const config = configFile && path.resolve(configFile);
  const built = await build({
    entryPoints: [path.join(ROOT, "src/index.ts")],
    bundle: true,
    write: false,
    minify: true,
    format: "esm",
    target: "es2024",
    conditions: ["workerd", "worker", "browser"],
    external: ["cloudflare:*", "node:*"],
    logLevel: "silent",
    plugins: [
      {
        name: "operator-config",
        setup(builder) {
          if (!config) return;
          builder.onResolve({ filter: /replica\.config\.ts$/ }, ({ kind }) =>
            kind === "entry-point" ? undefined : { path: config },
          );
          // A file outside of this folder may still say `import { defineReplica } from "./config"`.
          builder.onResolve({ filter: /^\.\/config$/ }, () => ({ path: path.join(ROOT, "src/config/index.ts") }));
        },
      },
    ],
  });
  return built.outputFiles[0]!.text;
}
