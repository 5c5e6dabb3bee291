import { SILENT, type ReplicaEvent, type Reporter } from "./events.ts";

/** Writes events to the console: `line` for people, `off` not at all, anything else as JSON for machines. */
export function consoleReporter(form: unknown): Reporter {
  if (form === "off") return SILENT;
  return (event) => {
    const text = form === "line" ? lineOf(event) : jsonOf(event);
    if (event.type === "request") console.log(text);
    else console.warn(text);
  };
}

/** The event in one line. Names come from callers, so whatever could break or fake a line is escaped (CWE-117). */
function lineOf(event: ReplicaEvent): string {
  if (event.type !== "request") {
    const { type, ...rest } = event;
    return `${type} ${Object.entries(rest)
      .map(([key, value]) => `${key}=${safe(String(value))}`)
      .join(" ")}`;
  }
  const words = [event.method, event.name ?? "-", event.result];
  if (event.code !== undefined) words.push(event.code);
  if (event.ageMs !== undefined) words.push(`age=${ageOf(event.ageMs)}`);
  words.push(`${event.durationMs.toFixed(1)}ms`, event.correlationId.slice(0, 8));
  return words.map(safe).join(" ");
}

/** The event in JSON, in ASCII: some readers of logs break lines at more than JSON does. */
function jsonOf(event: ReplicaEvent): string {
  return JSON.stringify(event).replace(/[^\x20-\x7e]/g, escaped);
}

function safe(text: string): string {
  const short = text.length > 120 ? `${text.slice(0, 117)}...` : text;
  return /^[\x21-\x7e]*$/.test(short) ? short : JSON.stringify(short).replace(/[^\x20-\x7e]/g, escaped);
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

function ageOf(ms: number): string {
  return ms < 10_000 ? `${ms}ms` : `${Math.round(ms / 1_000)}s`;
}
