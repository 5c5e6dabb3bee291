import type { ListName } from "./change.ts";
import { OPEN_ARRAY, OPEN_OBJECT, QUOTE } from "./characters.ts";
import { cutSpans, type Span } from "./cutSpans.ts";
import { elementSpansOf } from "./elements.ts";
import { membersOf } from "./members.ts";

/** Whether a thing of that kind and name may be seen. */
export type IsShown = (kind: ListName, name: string) => boolean;

/** What the result of a list method lists. */
interface Listing {
  method: string;
  /** The result's member that has the list, and the one of its elements that names them. */
  list: string;
  name: string;
  kind: ListName;
}

const LISTINGS: readonly Listing[] = [
  { method: "tools/list", list: "tools", name: "name", kind: "tools" },
  { method: "prompts/list", list: "prompts", name: "name", kind: "prompts" },
  { method: "resources/list", list: "resources", name: "uri", kind: "resources" },
  // A template goes by its text, as the URIs that it stands for go by theirs.
  { method: "resources/templates/list", list: "resourceTemplates", name: "uriTemplate", kind: "resources" },
];

/**
 * What to cut out of the result of a list method, whose brace stands at `from`, so that it lists what is shown, and no more.
 * Without a method, whichever lists it has. What has no name, or several, has to be shown under each of them, and under one
 * at least. The text must be valid JSON there.
 */
export function hiddenSpans(text: string, from: number, method: string | undefined, isShown: IsShown): Span[] {
  const spans: Span[] = [];
  for (const member of membersOf(text, from)) {
    const listing = LISTINGS.find((one) => one.list === member.key && (method ?? one.method) === one.method);
    if (!listing || text.charCodeAt(member.valueStart) !== OPEN_ARRAY) continue;
    const { name, kind } = listing;
    const isHidden = ({ start }: Span) => {
      const names = namesOf(text, start, name);
      return names.length === 0 || !names.every((one) => one !== undefined && isShown(kind, one));
    };
    spans.push(...cutSpans(elementSpansOf(text, member.valueStart), isHidden));
  }
  return spans;
}

/** The values of an element's members of that key; `undefined` for one that is no text. */
function namesOf(text: string, start: number, name: string): (string | undefined)[] {
  if (text.charCodeAt(start) !== OPEN_OBJECT) return [];
  return membersOf(text, start)
    .filter(({ key }) => key === name)
    .map(({ valueStart, end }) =>
      text.charCodeAt(valueStart) === QUOTE ? (JSON.parse(text.slice(valueStart, end)) as string) : undefined,
    );
}
