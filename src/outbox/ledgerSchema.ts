/** The tables of an outbox, and what finds things in them. */
const STATEMENTS: readonly string[] = [
  // When a try may be made again is chosen at random, and need not be a whole number.
  `CREATE TABLE IF NOT EXISTS operation
    (seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, principal TEXT NOT NULL, tool TEXT NOT NULL,
     order_key TEXT, if_stuck TEXT NOT NULL, idempotency TEXT NOT NULL, tags TEXT NOT NULL,
     caller_key TEXT, digest TEXT, is_queued INTEGER NOT NULL, is_awaited INTEGER NOT NULL,
     state TEXT NOT NULL, reason TEXT, why TEXT, attempts INTEGER NOT NULL, bytes INTEGER NOT NULL,
     accepted_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, due_at REAL NOT NULL, lease_until INTEGER,
     gives_up_at INTEGER NOT NULL, holds INTEGER NOT NULL, is_head INTEGER NOT NULL)
    STRICT`,
  // In parts: a row takes 2 MB at most.
  `CREATE TABLE IF NOT EXISTS content
    (seq INTEGER NOT NULL, what TEXT NOT NULL, part INTEGER NOT NULL, form TEXT NOT NULL, data BLOB NOT NULL,
     PRIMARY KEY (seq, what, part))
    STRICT, WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS total
    (kind TEXT NOT NULL, name TEXT NOT NULL, depth INTEGER NOT NULL, bytes INTEGER NOT NULL, PRIMARY KEY (kind, name))
    STRICT, WITHOUT ROWID`,
  "CREATE TABLE IF NOT EXISTS outbox_value (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT",
  // A key means one operation of its principal and tool.
  `CREATE UNIQUE INDEX IF NOT EXISTS operation_caller_key ON operation (principal, tool, caller_key)
    WHERE caller_key IS NOT NULL`,
  "CREATE INDEX IF NOT EXISTS operation_order ON operation (order_key, seq) WHERE holds = 1",
  `CREATE INDEX IF NOT EXISTS operation_due ON operation (due_at, seq)
    WHERE is_head = 1 AND state IN ('accepted', 'retry')`,
  `CREATE INDEX IF NOT EXISTS operation_give_up ON operation (gives_up_at, seq)
    WHERE state IN ('accepted', 'retry')`,
  `CREATE INDEX IF NOT EXISTS operation_unpromised ON operation (seq)
    WHERE state = 'accepted' AND attempts = 0 AND is_queued = 0`,
  `CREATE INDEX IF NOT EXISTS operation_over ON operation (updated_at, seq)
    WHERE state IN ('done', 'cancelled', 'discarded')`,
  `CREATE INDEX IF NOT EXISTS operation_heard ON operation (updated_at, seq)
    WHERE state = 'done' AND is_queued = 0 AND caller_key IS NULL`,
  "CREATE INDEX IF NOT EXISTS operation_state ON operation (state, seq)",
  "CREATE INDEX IF NOT EXISTS operation_tool ON operation (tool, state, seq)",
  "CREATE INDEX IF NOT EXISTS operation_principal ON operation (principal, seq)",
];

/**
 * Sees to it that the tables of an outbox are there. Versions of the Worker may use them side by side: a column that another
 * adds has a default, and each names those that it reads and writes.
 */
export function createLedger(sql: SqlStorage): void {
  for (const statement of STATEMENTS) sql.exec(statement);
}
