import type { MirrorStatus } from "../../mirror/MirrorStatus.ts";
import type { Family, Sample } from "../../telemetry/prometheus.ts";

/** What is measured of collections; none where nothing is mirrored. `now` is epoch ms. */
export function mirrorFamilies(mirrors: readonly MirrorStatus[], now: number): Family[] {
  const of = (samplesOf: (mirror: MirrorStatus) => { more?: Record<string, string>; value: number }[]): Sample[] =>
    mirrors.flatMap((mirror) =>
      samplesOf(mirror).map(({ more = {}, value }) => ({
        labels: { origin: mirror.origin, collection: mirror.collection, ...more },
        value,
      })),
    );
  return [
    {
      name: "replica_mirror_rows",
      type: "gauge",
      help: "Rows of the version of a collection that readers see.",
      samples: of(({ rows }) => [{ value: rows }]),
    },
    {
      name: "replica_mirror_age_seconds",
      type: "gauge",
      help: "How long ago the origin was asked for what that version says. Absent before the first.",
      samples: of(({ asOf }) => (asOf === null ? [] : [{ value: Math.max(0, now - asOf) / 1_000 }])),
    },
    {
      name: "replica_mirror_pulls_total",
      type: "counter",
      help: "Pulls that came to their end, and tries of one that failed.",
      samples: of(({ pulls: { done, failed } }) => [
        { more: { result: "done" }, value: done },
        { more: { result: "failed" }, value: failed },
      ]),
    },
    {
      name: "replica_mirror_verified_total",
      type: "counter",
      help: "Answers from a collection that were compared with the origin's.",
      samples: of(({ verified }) =>
        Object.entries(verified).flatMap(([tool, { matches, mismatches }]) => [
          { more: { tool, result: "match" }, value: matches },
          { more: { tool, result: "mismatch" }, value: mismatches },
        ]),
      ),
    },
    {
      name: "replica_mirror_stopped",
      type: "gauge",
      help: "Tools that are not answered from a collection at present, as too many of their answers were wrong.",
      samples: of(({ stopped }) => [{ value: Object.keys(stopped).length }]),
    },
  ];
}
