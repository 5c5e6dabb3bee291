declare module "parse-prometheus-text-format" {
  /** What of its answer tests look at. */
  interface Family {
    name: string;
    type: string;
    metrics: { labels?: Record<string, string>; value: string }[];
  }
  /** Throws where a line is none of the format. */
  export default function parse(text: string): Family[];
}
