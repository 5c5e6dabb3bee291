/** What a deployed Worker is charged for, as far as it can be counted here. */
export interface Operations {
  kvReads: number;
  kvWrites: number;
  /** Calls of Durable Objects, and alarms that went off. */
  objectRequests: number;
  /** Of those, the calls of `OriginSync`. */
  syncRequests: number;
  /** Written to the SQLite of Durable Objects, alarms that were set among them. */
  rowsWritten: number;
}

/** None. */
export const NONE: Operations = { kvReads: 0, kvWrites: 0, objectRequests: 0, syncRequests: 0, rowsWritten: 0 };
