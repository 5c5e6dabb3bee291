/** What is expected of a JSON Pointer, for messages. */
export const POINTER_SHAPE = 'a JSON Pointer (RFC 6901): "" for all of it, or such as "/items/0/name"';

/** Whether a text is a JSON Pointer. */
export function isPointer(text: string): boolean {
  return /^(?:\/(?:[^~/]|~[01])*)*$/.test(text);
}

/** What is expected of a member, for messages. */
export const MEMBER_SHAPE = 'a member by its name, or its JSON Pointer, such as "/price/amount"';

/** Whether a text names a member of a row: what begins with a slash is a JSON Pointer, all else a name. */
export function isMember(text: string): boolean {
  return text !== "" && (!text.startsWith("/") || isPointer(text));
}

/** The JSON Pointer to a member. */
export function pointerTo(member: string): string {
  return member.startsWith("/") ? member : `/${member.replaceAll("~", "~0").replaceAll("/", "~1")}`;
}
