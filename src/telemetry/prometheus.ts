import type { Histogram } from "./Histogram.ts";

/** The labels of a sample by name. */
export type Labels = Readonly<Record<string, string>>;

/** One value of a metric; a histogram's is several samples. */
export interface Sample {
  labels: Labels;
  value: number | { histogram: Histogram; boundsMs: readonly number[] };
}

/** A metric with all its samples. */
export interface Family {
  name: string;
  type: "counter" | "gauge" | "histogram";
  help: string;
  samples: Sample[];
}

/** Metrics in Prometheus's text format 0.0.4. Histograms are of ms, and written in seconds. A metric without samples is left out. */
export function prometheus(families: readonly Family[]): string {
  return families
    .filter(({ samples }) => samples.length > 0)
    .map(
      ({ name, type, help, samples }) =>
        `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${samples.map((sample) => linesOf(name, sample)).join("")}`,
    )
    .join("");
}

function linesOf(name: string, { labels, value }: Sample): string {
  if (typeof value === "number") return line(name, labels, value);
  const { histogram, boundsMs } = value;
  let below = 0;
  const buckets = histogram.counts.map((count, bucket) => {
    below += count;
    const bound = boundsMs[bucket];
    return line(`${name}_bucket`, { ...labels, le: bound === undefined ? "+Inf" : `${bound / 1_000}` }, below);
  });
  return `${buckets.join("")}${line(`${name}_sum`, labels, histogram.sum / 1_000)}${line(`${name}_count`, labels, below)}`;
}

function line(name: string, labels: Labels, value: number): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escaped(text)}"`);
  return `${name}{${pairs.join(",")}} ${value}\n`;
}

/** Names come from origins: in a label's value, these three could end it. */
function escaped(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
