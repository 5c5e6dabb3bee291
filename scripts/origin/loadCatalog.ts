import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { CompatData, CompatStatement } from "@mdn/browser-compat-data/types";
import { compareVersions } from "./compareVersions.ts";

/** One feature of the compatibility data, such as `api.AbortController`. */
export interface Feature {
  id: string;
  compat: CompatStatement;
  /** The id and the description in lower case: what a search looks at. */
  searchable: string;
}

/** One browser (or runtime) of the compatibility data. */
export interface Browser {
  id: string;
  title: string;
  type: string;
  /** The newest released version; for a discontinued browser its last one. */
  current: string;
  releases: { version: string; status: string; date?: string; engine?: string; engine_version?: string }[];
}

/** All that the origin knows: features ordered by id, and browsers. */
export interface Catalog {
  /** The version of the data, such as `8.1.9`. */
  version: string;
  features: readonly Feature[];
  byId: ReadonlyMap<string, Feature>;
  browsers: ReadonlyMap<string, Browser>;
}

let loaded: Catalog | undefined;

/** The catalogue: read and indexed on the first call (some 300 ms), the same object after that. */
export function loadCatalog(): Catalog {
  loaded ??= index(read());
  return loaded;
}

function read(): CompatData {
  const file = createRequire(import.meta.url).resolve("@mdn/browser-compat-data");
  return JSON.parse(readFileSync(file, "utf8")) as CompatData;
}

function index({ __meta, browsers, ...areas }: CompatData): Catalog {
  const features: Feature[] = [];
  collect(areas, "", features);
  features.sort((a, b) => (a.id < b.id ? -1 : 1));
  return {
    version: __meta.version,
    features,
    byId: new Map(features.map((feature) => [feature.id, feature])),
    browsers: new Map(Object.entries(browsers).map(([id, data]) => [id, browser(id, data)])),
  };
}

function collect(node: object, path: string, into: Feature[]): void {
  for (const [key, child] of Object.entries(node)) {
    if (key === "__compat") {
      const compat = child as CompatStatement;
      into.push({ id: path, compat, searchable: searchableOf(path, compat.description) });
    } else if (typeof child === "object" && child !== null) {
      collect(child, path === "" ? key : `${path}.${key}`, into);
    }
  }
}

/** What a search looks at, of a feature with that id and description. */
export function searchableOf(id: string, description = ""): string {
  return `${id}\n${description}`.toLowerCase();
}

function browser(id: string, data: CompatData["browsers"][keyof CompatData["browsers"]]): Browser {
  const releases = Object.entries(data.releases).map(([version, release]) => ({
    version,
    status: release.status,
    date: release.release_date,
    engine: release.engine,
    engine_version: release.engine_version,
  }));
  const newest = (among: typeof releases) =>
    among.toSorted((a, b) => compareVersions(b.version, a.version))[0]?.version;
  const current = newest(releases.filter((release) => release.status === "current")) ?? newest(releases) ?? "0";
  return { id, title: data.name, type: data.type, current, releases };
}
