import type { AnswerShape, Refusal } from "../config/mirror.ts";
import { fillTemplate, memberAt, textOf, type Resolve } from "./fillTemplate.ts";
import { FoundRow } from "./FoundRow.ts";
import type { MirrorResult } from "./MirrorReply.ts";
import { CLOSE_ARRAY, CLOSE_OBJECT, COLON, COMMA, OPEN_ARRAY, OPEN_OBJECT, QUOTE } from "../mcp/characters.ts";
import { endOfString } from "../mcp/scan.ts";
import { shapeOf, templateOf, type Part } from "./Shape.ts";

/** The longest array that is made of rows, and the longest indented text, in UTF-16 units: where each row names what a call gives, a thousand rows make gigabytes of megabytes. */
const MAX_LENGTH = 4_000_000;

/** What an answer is worded from. */
export interface Findings {
  args: Readonly<Record<string, unknown>>;
  /** By name, as far as they are there: a row, or the values of a member of all rows. */
  lookups: ReadonlyMap<string, FoundRow | readonly unknown[]>;
  rows: readonly FoundRow[];
  /** Of one by key. */
  row?: FoundRow;
  /** Of all rows found, where the shape names it. */
  total?: number;
  /** The cursor of the next page, where there is one. */
  next?: string;
}

/** The result of a call in the shape that the operator gave it; `undefined` where nothing of it is there, or it is too long to be held. */
export function shapeAnswer(shape: AnswerShape, findings: Findings): MirrorResult | undefined {
  const { value, isStructured, text } = shapeOf(shape);
  const json = boundedJson(value, findings);
  if (json === undefined) return undefined;
  let body: string;
  if (text === "none") body = '"content":[]';
  else if (text === "json") body = textBlock(json);
  else if (text === "indented") {
    if (indentedLength(json) > MAX_LENGTH) return undefined;
    body = textBlock(JSON.stringify(JSON.parse(json), null, 2));
  } else body = textBlock(fillTemplate(text, resolver(findings)));
  return { body: isStructured ? `${body},"structuredContent":${json}` : body, isError: false };
}

/** The result by which a caller is told that there is no such thing. */
export function refuse({ text, isError }: Refusal, findings: Findings): MirrorResult {
  const body = textBlock(fillTemplate(templateOf(text), resolver(findings)));
  return { body: isError ? `${body},"isError":true` : body, isError };
}

function textBlock(text: string): string {
  return `"content":[{"type":"text","text":${JSON.stringify(text)}}]`;
}

class TooLong extends Error {}

function boundedJson(value: Part, findings: Findings): string | undefined {
  try {
    return jsonOf(value, findings);
  } catch (error) {
    if (error instanceof TooLong) return undefined;
    throw error;
  }
}

/** The JSON of each row, in an array. */
function eachJson(each: Part, findings: Findings): string {
  const elements: string[] = [];
  let length = 0;
  for (const row of findings.rows) {
    const json = jsonOf(each, { ...findings, row });
    if (json === undefined) continue;
    elements.push(json);
    length += json.length + 1;
    if (length > MAX_LENGTH) throw new TooLong();
  }
  return `[${elements.join(",")}]`;
}

/** The JSON of a part. What is used as it was stored is not parsed. */
function jsonOf(part: Part, findings: Findings): string | undefined {
  if (typeof part === "string") return part;
  if ("reference" in part) {
    const { path, as } = part.reference;
    const [name, ...below] = path;
    const whole = below.length > 0 || as ? undefined : rowOf(name!, findings);
    if (whole) return whole.body;
    const value = resolver(findings)(path);
    if (value === undefined) return undefined;
    return JSON.stringify(as ? textOf(part.reference, value) : value);
  }
  if ("template" in part) return JSON.stringify(fillTemplate(part.template, resolver(findings)));
  if ("each" in part) return eachJson(part.each, findings);
  if ("elements" in part) return `[${all(part.elements.map((element) => jsonOf(element, findings)))}]`;
  const members = part.members.map(([name, member]) => {
    const json = jsonOf(member, findings);
    return json === undefined ? undefined : `${name}:${json}`;
  });
  return `{${all(members)}}`;
}

/** How long JSON becomes at most where it is indented by two: twenty kilobytes that nest deeply become hundreds of megabytes. */
function indentedLength(json: string): number {
  let length = json.length;
  let depth = 0;
  for (let at = 0; at < json.length; at++) {
    switch (json.charCodeAt(at)) {
      case QUOTE:
        at = endOfString(json, at) - 1;
        break;
      case OPEN_OBJECT:
      case OPEN_ARRAY:
        length += 1 + 2 * ++depth;
        break;
      case CLOSE_OBJECT:
      case CLOSE_ARRAY:
        length += 1 + 2 * --depth;
        break;
      case COMMA:
        length += 1 + 2 * depth;
        break;
      case COLON:
        length++;
    }
  }
  return length;
}

function all(parts: readonly (string | undefined)[]): string {
  return parts.filter((part) => part !== undefined).join(",");
}

function resolver(findings: Findings): Resolve {
  return ([name, ...below]) => {
    if (name === "args") return memberAt(findings.args, below);
    if (name === "total") return memberAt(findings.total, below);
    if (name === "count") return memberAt(findings.rows.length, below);
    if (name === "next") return memberAt(findings.next, below);
    return memberAt(rowOf(name!, findings)?.value ?? findings.lookups.get(name!), below);
  };
}

/** The row that a name stands for. */
function rowOf(name: string, { row, lookups }: Findings): FoundRow | undefined {
  if (name === "row") return row;
  const found = lookups.get(name);
  return found instanceof FoundRow ? found : undefined;
}
