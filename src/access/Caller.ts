/** A stable name of who calls: never the credential. Part of keys, so that nobody gets what is another's. */
export type Principal = string;

/** The principal of all callers where access is open. */
export const ANONYMOUS: Principal = "anonymous";

/** Who calls, as authentication found. */
export interface Caller {
  principal: Principal;
}

/** Anybody, where access is open. */
export const ANYBODY: Caller = Object.freeze({ principal: ANONYMOUS });
