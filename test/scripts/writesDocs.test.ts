import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { readConfig } from "../../scripts/serve/bundle.ts";
import { resolve } from "../../src/config/resolve.ts";
import { followPage } from "./followPage.ts";
import { ROOT, tempFolder } from "./runScript.ts";

const page = readFileSync(path.join(ROOT, "docs/writes.md"), "utf8");

test("what the page on writes says to type does what it says", { timeout: 120_000 }, async () => {
  expect(await followPage("writes.md")).toBe(4);
});

test("the configuration on the page on writes is one that the replica takes, and queues", async () => {
  const [, code = ""] = /```ts\n([\s\S]*?)```/.exec(page) ?? [];
  const file = path.join(tempFolder(), "writes.config.ts");
  writeFileSync(file, code);
  const { outbox, tools } = resolve(await readConfig(file)).origins.get("bcd")!;
  expect(outbox).toBeDefined();
  const queued = { queue: "when-down", orderBy: "feature:{id}", unlessTask: "notify" };
  expect(tools.find("add_note")?.value.write?.outbox).toMatchObject({ ...queued, idempotent: "no" });
  const once = { ...queued, idempotent: { argument: "request_id" } };
  expect(tools.find("add_note_once")?.value.write?.outbox).toMatchObject(once);
});

test("the page on writes names every reason that an operation can have, and every state", () => {
  const source = readFileSync(path.join(ROOT, "src/outbox/Operation.ts"), "utf8");
  const union = (name: string) =>
    [
      ...source
        .split(`export type ${name} =`)[1]!
        .split(";\n\n")[0]!
        .matchAll(/\| "([a-z-]+)"/g),
    ].map(([, one]) => one!);
  const [states, reasons] = [union("OperationState"), union("OperationReason")];
  expect([states.length, reasons.length]).toEqual([8, 14]);
  const [, diagram = ""] = /```mermaid\n([\s\S]*?)```/.exec(page) ?? [];
  for (const state of states) expect(diagram).toContain(`--> ${state}:`);
  // What a caller or an operator has done needs no looking into.
  const plain = ["caller-lost", "cancelled", "discarded"];
  for (const reason of reasons.filter((one) => !plain.includes(one))) expect(page, reason).toMatch(`\`${reason}\``);
});
