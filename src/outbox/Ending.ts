import type { OperationOutcome, OperationReason } from "./Operation.ts";

/** How sending a write has ended. */
export type Ending =
  /** The origin has answered. */
  | { kind: "answered"; outcome: OperationOutcome }
  /** It is certain that it was not executed: never sent, or refused. It may be sent again, whatever the tool is. */
  | { kind: "not-executed"; reason: OperationReason; retryAfterMs?: number }
  /** It is certain that sending it again would be in vain; it was not executed. */
  | { kind: "hopeless"; reason: OperationReason }
  /** Nobody can tell whether it was executed. `isFinal`: sending it again would be in vain, too. */
  | { kind: "unknown"; reason: OperationReason; retryAfterMs?: number; isFinal?: boolean };
