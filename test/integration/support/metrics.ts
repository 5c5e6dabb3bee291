import parsePrometheusTextFormat from "parse-prometheus-text-format";
import { expect } from "vitest";
import { send, type Sent } from "./wire.ts";

/** One sample as Prometheus reads it; those of a histogram are `_bucket`, `_sum` and `_count`. */
export interface Sample {
  labels: Record<string, string>;
  value: number;
}

/** The samples of a replica's metrics by name. */
export type Metrics = Map<string, Sample[]>;

/** The metrics of a replica, read with a parser of Prometheus's format. */
export async function scrape(url: string, headers: Sent["headers"] = {}): Promise<Metrics> {
  const got = await send(`${url}/metrics`, { method: "GET", headers });
  expect([got.status, got.headers["content-type"]]).toEqual([200, "text/plain; version=0.0.4; charset=utf-8"]);
  const types = new Map(parsePrometheusTextFormat(got.text).map(({ name, type }) => [name, type]));
  for (const [name, type] of types) expect(type, name).not.toBe("UNTYPED");
  // The parser throws the series of a histogram together: of those that it takes for no histogram it tells each sample.
  const plain = got.text.replaceAll(/^# .* histogram\n/gm, "").replaceAll(/^# HELP .*\n/gm, "");
  const samples: Metrics = new Map();
  for (const { name, metrics } of parsePrometheusTextFormat(plain)) {
    const own = metrics.map(({ labels = {}, value }) => ({ labels, value: Number(value) }));
    samples.set(name, [...(samples.get(name) ?? []), ...own]);
  }
  return samples;
}

/** The sum of the samples that have these labels. */
export function sumOf(metrics: Metrics, name: string, labels: Record<string, string> = {}): number {
  return (metrics.get(name) ?? [])
    .filter((sample) => Object.entries(labels).every(([label, value]) => sample.labels[label] === value))
    .reduce((sum, { value }) => sum + value, 0);
}
