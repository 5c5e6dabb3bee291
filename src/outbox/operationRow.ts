import type { Idempotency, Operation, OperationReason, OperationState } from "./Operation.ts";

/** An operation as it stands in its table. */
export interface OperationRow extends Record<string, SqlStorageValue> {
  seq: number;
  id: string;
  principal: string;
  tool: string;
  order_key: string | null;
  if_stuck: string;
  idempotency: string;
  tags: string;
  is_queued: number;
  is_awaited: number;
  state: string;
  reason: string | null;
  why: string | null;
  attempts: number;
  bytes: number;
  accepted_at: number;
  updated_at: number;
  due_at: number;
  lease_until: number | null;
  gives_up_at: number;
  is_head: number;
}

/** What is read of one. */
export const OPERATION_COLUMNS = `seq, id, principal, tool, order_key, if_stuck, idempotency, tags, is_queued, is_awaited,
  state, reason, why, attempts, bytes, accepted_at, updated_at, due_at, lease_until, gives_up_at, is_head`;

/** The operation of a row. */
export function operationOf(row: OperationRow): Operation {
  return {
    id: row.id,
    seq: row.seq,
    principal: row.principal,
    tool: row.tool,
    orderKey: row.order_key,
    ifStuck: row.if_stuck as Operation["ifStuck"],
    idempotency: JSON.parse(row.idempotency) as Idempotency,
    tags: JSON.parse(row.tags) as string[],
    isQueued: row.is_queued === 1,
    isAwaited: row.is_awaited === 1,
    state: row.state as OperationState,
    ...(row.reason !== null && { reason: row.reason as OperationReason }),
    attempts: row.attempts,
    acceptedAt: row.accepted_at,
    updatedAt: row.updated_at,
    dueAt: row.due_at,
    ...(row.lease_until !== null && { leaseUntil: row.lease_until }),
    givesUpAt: row.gives_up_at,
    bytes: row.bytes,
    ...(row.why !== null && { why: row.why }),
  };
}

/** The columns of an operation that change in its life, and their values. */
export function changingValues(operation: Operation | Omit<Operation, "seq">): Record<string, SqlStorageValue> {
  return {
    if_stuck: operation.ifStuck,
    is_queued: Number(operation.isQueued),
    state: operation.state,
    reason: operation.reason ?? null,
    why: operation.why ?? null,
    attempts: operation.attempts,
    bytes: operation.bytes,
    updated_at: operation.updatedAt,
    due_at: operation.dueAt,
    lease_until: operation.leaseUntil ?? null,
    gives_up_at: operation.givesUpAt,
    holds: Number(holdsItsKey(operation)),
  };
}

/** The others. */
export function lastingValues(operation: Omit<Operation, "seq">): Record<string, SqlStorageValue> {
  return {
    id: operation.id,
    principal: operation.principal,
    tool: operation.tool,
    order_key: operation.orderKey,
    idempotency: JSON.stringify(operation.idempotency),
    tags: JSON.stringify(operation.tags),
    is_awaited: Number(operation.isAwaited),
    accepted_at: operation.acceptedAt,
  };
}

/** Whether those behind an operation wait for it: while it is open, unless it is stuck and they are to go on. */
export function holdsItsKey({ state, ifStuck }: Pick<Operation, "state" | "ifStuck">): boolean {
  if (state === "ambiguous" || state === "dead") return ifStuck === "park";
  return state === "accepted" || state === "leased" || state === "retry";
}
