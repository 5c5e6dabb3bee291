/** How listening at the origin stands. */
export type ListenState =
  /** The operator does not want it. */
  | "off"
  /** The origin is asked with a credential for each caller: the replica has none to listen with. */
  | "callers-only"
  /** Nobody needs it, or nothing is known of the origin yet. */
  | "idle"
  | "connecting"
  | "listening"
  /** The origin has nothing to listen to, or does not let the replica. It is asked again after an hour. */
  | "refused"
  /** The stream broke, or could not be opened; it is tried again. */
  | "waiting";

/** How listening at the origin stands, for the operator. */
export interface ListenStatus {
  state: ListenState;
  /** Since when; epoch ms. */
  since: number;
  /** What the origin tells of: the lists by name, and how many resources. */
  covers: { lists: string[]; uris: number };
  /** How often in a row it had to be tried again. */
  retries: number;
}
