/** A replica with its outbox in a process that can be killed: `outboxProcess.ts PORT STATE CONFIG SECRET`. */
import { startWorker } from "../../../scripts/bench/startWorker.ts";

const [port, state, config, secret] = process.argv.slice(2) as [string, string, string, string];
const vars = { CONFIG: config, ENTRY_SECRET: secret, REPLICA_LOG: "off" };
await startWorker("outbox", vars, [], { port: Number(port), state });
