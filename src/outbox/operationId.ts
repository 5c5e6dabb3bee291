/** What the id of an operation of the replica's own begins with: no origin's task has such a one. */
const MARK = "er-op-";
const FORM = /^er-op-[0-9a-f]{32}$/;

/** The beginning of the URI under which an operation can be read. */
const URI = "replica://operations/";

/** An operation's id, from 32 random hex digits. */
export function operationId(random: string): string {
  return MARK + random;
}

/** Whether an id is meant as one of the replica's own, whether there is such an operation or not. */
export function isOperationId(id: string): boolean {
  return id.startsWith(MARK);
}

/** Whether it is formed as such ids are. */
export function isSoundOperationId(id: string): boolean {
  return FORM.test(id);
}

/** What a URI names among the operations; `undefined` where it is of another kind. */
export function operationNamed(uri: string): string | undefined {
  return uri.startsWith(URI) ? uri.slice(URI.length) : undefined;
}

/** What the tags of operations begin with. */
const TAG = "operation:";

/** The tag by which it is told that an operation has changed. */
export function operationTag(id: string): string {
  return TAG + id;
}

/** Whether a tag is that of an operation of the replica's own: nothing that is kept carries it. */
export function isOperationTag(tag: string): boolean {
  return tag.startsWith(TAG + MARK);
}
