import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe } from "vitest";
import { outboxObject } from "../../src/origin/outboxObject.ts";
import type { Ledger } from "../../src/outbox/Ledger.ts";
import { SqlLedger } from "../../src/outbox/SqlLedger.ts";
import { ledgerContract } from "../support/ledgerContract.ts";

let nth = 0;
/** An object that nobody has asked for anything. */
const newObject = () => outboxObject(env, { id: `ledger-${nth++}`, region: undefined });
const withSqlLedger = (work: (ledger: Ledger) => void) =>
  runInDurableObject(newObject(), (_, { storage }) => work(new SqlLedger(storage)));

describe("the ledger in SQLite", () => {
  ledgerContract(withSqlLedger);
});
