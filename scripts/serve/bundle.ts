import { build, type Plugin } from "esbuild";
import { readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const OWN_CONFIG = path.join(ROOT, "src/replica.config.ts");

/** How modules of the Worker are written otherwise, by their paths from this folder: to show what something is needed for. */
export type Rewrites = Readonly<Record<string, (source: string) => string>>;

/** A module as workerd takes it. */
export interface Module {
  path: string;
  contents: string;
}

/** The Worker, and the operator's file as a module of its own, which imports nothing. */
const CONFIG_MODULE = "replica.config.js";
let worker: Promise<string> | undefined;

/**
 * The Worker's modules, its entry first. `config` stands in for `src/replica.config.ts`; it may be any module whose default
 * export is the plain object. The Worker as it is written is built once for all that a process serves.
 */
export async function bundleWorker(config: string = OWN_CONFIG, rewrites: Rewrites = {}): Promise<Module[]> {
  const build = () => bundle(path.join(ROOT, "src/index.ts"), null, rewrites);
  const file = path.resolve(config);
  const [contents, own] = await Promise.all([
    Object.keys(rewrites).length === 0 ? (worker ??= build()) : build(),
    bundle(file, file),
  ]);
  return [
    { path: "index.js", contents },
    { path: CONFIG_MODULE, contents: own },
  ];
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

/**
 * A module and all that it imports as one module for workerd. `config` is the operator's file, where it wants that; with `null`
 * that stays a module of its own.
 */
export async function bundle(
  entry: string,
  config: string | null = OWN_CONFIG,
  rewrites: Rewrites = {},
): Promise<string> {
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
    plugins: [operatorConfig(config), rewritten(rewrites)],
  });
  return built.outputFiles[0]!.text;
}

function rewritten(rewrites: Rewrites): Plugin {
  return {
    name: "rewritten",
    setup(builder) {
      for (const [name, rewrite] of Object.entries(rewrites)) {
        const file = path.join(ROOT, name);
        builder.onLoad({ filter: /\.ts$/ }, ({ path: loaded }) => {
          if (loaded !== file) return undefined;
          const source = readFileSync(file, "utf8");
          const contents = rewrite(source);
          if (contents === source) throw new Error(`${name} is as it was`);
          return { contents, loader: "ts" };
        });
      }
    },
  };
}

function operatorConfig(config: string | null): Plugin {
  return {
    name: "operator-config",
    setup(builder) {
      builder.onResolve({ filter: /replica\.config\.ts$/ }, ({ kind }) =>
        kind === "entry-point"
          ? undefined
          : config === null
            ? { path: `./${CONFIG_MODULE}`, external: true }
            : { path: config },
      );
      // A file outside of this folder may still say `import { defineReplica } from "./config"`.
      builder.onResolve({ filter: /^\.\/config(\/index\.ts)?$/ }, () => ({
        path: path.join(ROOT, "src/config/index.ts"),
      }));
    },
  };
}
