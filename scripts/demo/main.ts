/** `npm run demo`: a tour with a real MCP client. Exits 0 if everything was as it says. */
import assert from "node:assert/strict";
import type { Client } from "@modelcontextprotocol/client";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { options, run } from "../commandLine.ts";
import { startOrigin } from "../origin/startOrigin.ts";
import { serve } from "../serve/serve.ts";
import { ask, connect, say, type Told } from "./connect.ts";
import { showMirror } from "./showMirror.ts";
import { showOutbox } from "./showOutbox.ts";

const LATENCY_MS = 150;
const ID = "css.properties.grid-template-columns";

await run("npm run demo -- [--only START]    with the features alone whose ids begin so", async () => {
  const { only } = options({ options: { only: { type: "string", default: "" } } }).values;
  say(`Starting an origin ${LATENCY_MS} ms away, and the replica in front of it.`);
  const far = { latencyMs: LATENCY_MS, jitterMs: 30, editable: true, only };
  let origin = await startOrigin(far);
  const { port } = origin;
  const config = fileURLToPath(new URL("demo.config.ts", import.meta.url));
  const replica = await serve({ config, vars: { ORIGIN_URL: origin.url }, instances: 2 });
  const [here, there] = replica.urls.map((url) => `${url}/mcp`) as [string, string];
  const client = await connect(here);
  const elsewhere = await connect(there);
  try {
    await step("The first call goes to the origin", client, "miss");
    await step("The second is answered at the edge", client, "hit");

    await addNote(client, "Works everywhere.");
    const read = await step("\nSomebody adds a note here, and it is read at once elsewhere", elsewhere, "miss");
    assert.match(read.text ?? "", /Works everywhere/);
    await behindItsBack(elsewhere, origin.url);
    await step("The call once more", client);

    await origin.close();
    say("\nThe origin is stopped, and the answer's 2 s have passed.");
    await wait(2_500);
    const stale = await step("The same call is answered all the same, and says how old it is", client, "stale");
    say(`  to the model: ${JSON.stringify(stale.notice)}`);
    const refused = await call(client, "html.elements.dialog");
    assert.equal(refused.isError, true);
    say(`A call that nobody has made before gets a clear error\n  ${refused.text}`);
    const newcomer = await connect(here);
    say(`A client that was never here connects, and finds ${(await newcomer.listTools()).tools.length} tools`);
    await newcomer.close();

    origin = await startOrigin({ ...far, port });
    say("\nThe origin is back.");
    await untilFresh(client);
    await step("The answer is fresh again", client, "hit");
    const restart = () => startOrigin({ ...far, port });
    origin = await showMirror(replica.url, origin, restart);
    origin = await showOutbox(replica.url, origin, restart);
  } finally {
    await client.close();
    await elsewhere.close();
    await replica.close();
    await origin.close();
  }
});
process.exit(0);

function call(client: Client, id: string) {
  return ask(client, "get_feature", { id });
}

async function step(what: string, client: Client, expected?: Told["status"]) {
  const answer = await call(client, ID);
  const { told, ms } = answer;
  assert(
    told && (expected === undefined || told.status === expected),
    `expected ${expected}, got ${JSON.stringify(told)}`,
  );
  say(`${what}\n  ${told.status}, ${ms.toFixed(1)} ms, age ${(told.ageMs / 1_000).toFixed(1)} s`);
  return answer;
}

async function addNote(client: Client, text: string): Promise<void> {
  await client.callTool({ name: "add_note", arguments: { id: ID, text } });
}

/** Changes something at the origin, past the replica, while somebody listens there. */
async function behindItsBack(client: Client, origin: string): Promise<void> {
  const uri = `bcd://feature/${ID}`;
  const notes = async () => {
    const [content] = (await client.readResource({ uri })).contents as { text: string }[];
    return (JSON.parse(content!.text) as { notes: unknown[] }).notes.length;
  };
  const before = await notes();
  let told = 0;
  const heard = new Promise<void>((resolve) =>
    client.setNotificationHandler("notifications/resources/updated", () => void (told++, resolve())),
  );
  const listening = await client.listen({ resourceSubscriptions: [uri] });
  const direct = await connect(origin);
  const begun = performance.now();
  await addNote(direct, "Nobody told the replica.");
  await direct.close();
  await heard;
  const tookMs = performance.now() - begun;
  assert.equal(await notes(), before + 1);
  await wait(1_500);
  assert.equal(told, 1);
  await listening.close();
  say(
    `Something changes at the origin, past the replica: who listens is told once\n  after ${tookMs.toFixed(0)} ms, and reads what is new`,
  );
}

/** The replica tries a failing key again after a short, growing while. */
async function untilFresh(client: Client): Promise<void> {
  for (const deadline = Date.now() + 20_000; Date.now() < deadline; await wait(250)) {
    const { told } = await call(client, ID);
    if (told?.status !== "stale") return;
  }
  throw new Error("The replica did not come back to the origin within 20 s.");
}
