import { errorCode } from "./errorCode.ts";
import { CODE } from "./names.ts";

/** The errors with which servers of the earlier revisions answer a method that they do not know, or a caller without a session. */
const LEGACY_WORDS: ReadonlySet<number> = new Set([
  CODE.methodNotFound,
  CODE.invalidRequest,
  CODE.invalidParams,
  -32000,
]);

/** Whether an error is one with which a server of the earlier revisions refuses a modern request. */
export function isLegacyWord(reply: string): boolean {
  return isLegacyCode(errorCode(reply));
}

/** The same of its code; `undefined` is of no error. */
export function isLegacyCode(code: number | undefined): boolean {
  return code !== undefined && LEGACY_WORDS.has(code);
}

/** Whether an error is one that the modern revision has alone: who words it speaks that era (basic/versioning). */
export function isModernWord(reply: string): boolean {
  return isModernCode(errorCode(reply));
}

/** The same of its code; `undefined` is of no error. */
export function isModernCode(code: number | undefined): boolean {
  return code !== undefined && code <= CODE.headerMismatch && code >= -32099;
}
