/** A stable name of who calls: never the credential. Part of keys, so that nobody gets what is another's. */
export type Principal = string;

/** The principal of all callers where access is open. */
export const ANONYMOUS: Principal = "anonymous";

/** Who calls, as authentication found. */
export interface Caller {
  principal: Principal;
  /** The roles that the operator, or an issuer whom the operator trusts, has given it. */
  roles?: readonly string[];
  /** What an issuer has granted it, sorted. */
  scopes?: readonly string[];
  /** Whose world it lives in, where there are several that must not meet. */
  tenant?: string;
  /** Until when that is so, epoch ms: what is open then is ended. Absent where there is no such time. */
  lapsesAt?: number;
  /** Its verified token, where the origin is to be asked in its name. Never logged, never part of a key. */
  token?: string;
}

/** Anybody, where access is open. */
export const ANYBODY: Caller = Object.freeze({ principal: ANONYMOUS });
