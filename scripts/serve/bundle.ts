import { build, type Plugin } from "esbuild";
import path from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const OWN_CONFIG = path.join(ROOT, "src/replica.config.ts");

/** The Worker as one module. `config` stands in for `src/replica.config.ts`; it may be any module whose default export is the plain object. */
export function bundleWorker(config: string = OWN_CONFIG): Promise<string> {
  return bundle(path.join(ROOT, "src/index.ts"), path.resolve(config));
}

/** The default export of an operator's file: the plain object, not validated. Throws what the file throws. */
export async function readConfig(config: string = OWN_CONFIG): Promise<unknown> {
  const file = path.resolve(config);
  const text = await bundle(file, file);
  const module = (await import(`data:text/javascript;base64,${Buffer.from(text).toString("base64")}`)) as {
    default?: unknown;
  };
  return module.default;
}

/** A module and all that it imports as one module for workerd; `config` is the operator's file, where it wants that. */
export async function bundle(entry: string, config: string = OWN_CONFIG): Promise<string> {
  const built = await build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    minify: true,
    format: "esm",
    target: "es2024",
    conditions: ["workerd", "worker", "browser"],
    external: ["cloudflare:*", "node:*"],
    logLevel: "silent",
    plugins: [operatorConfig(config)],
  });
  return built.outputFiles[0]!.text;
}

function operatorConfig(config: string): Plugin {
  return {
    name: "operator-config",
    setup(builder) {
      builder.onResolve({ filter: /replica\.config\.ts$/ }, ({ kind }) =>
        kind === "entry-point" ? undefined : { path: config },
      );
      // A file outside of this folder may still say `import { defineReplica } from "./config"`.
      builder.onResolve({ filter: /^\.\/config(\/index\.ts)?$/ }, () => ({
        path: path.join(ROOT, "src/config/index.ts"),
      }));
    },
  };
}
