// Starts the origin by itself, to look at it by hand: node test/conformance/origin/main.ts [PORT]
import { serveOrigin } from "./serve.ts";

const origin = await serveOrigin(Number(process.argv[2] ?? 0));
console.log(origin.url);
process.once("SIGINT", () => void origin.close());
process.once("SIGTERM", () => void origin.close());
