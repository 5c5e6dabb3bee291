import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, expect, test } from "vitest";
import { freePort } from "../../scripts/serve/freePort.ts";
import { ROOT, runScript, tempFolder, type Running } from "./runScript.ts";

const page = readFileSync(path.join(ROOT, "docs/mirror.md"), "utf8");
const { scripts } = JSON.parse(readFileSync(path.join(ROOT, "package.json"), "utf8")) as {
  scripts: Record<string, string>;
};
const running = new Map<string, Running>();

afterAll(async () => {
  for (const { child, ended } of running.values()) {
    child.kill("SIGINT");
    await ended;
  }
});

/** A step of the page: what is in a fence, and what a comment before it, which readers do not see, says of it. */
interface Step {
  /** `run`, `stop`, `file` or `prints`, and of what. */
  notes: { does: string; what: string }[];
  language: string;
  text: string;
}

function stepsIn(section: string): Step[] {
  const found = section.matchAll(/((?:<!-- \w+: \S+ -->\n)*)```(\w*)\n([\s\S]*?)```/g);
  return [...found].map(([, comments = "", language = "", text = ""]) => ({
    notes: [...comments.matchAll(/<!-- (\w+): (\S+) -->/g)].map(([, does = "", what = ""]) => ({ does, what })),
    language,
    text,
  }));
}

/** What is printed, but for numbers and the width of gaps. */
function printed(text: string): RegExp {
  const lines = text.trimEnd().split("\n");
  const literal = (line: string) =>
    line
      .replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")
      .replace(/\d(?:\\?[\d.,])*/g, "[\\d.,]+")
      .replace(/ {2,}/g, " +")
      .trimEnd();
  return new RegExp(`^${lines.map((line) => `${literal(line)} *`).join("\n")}$`, "m");
}

test("what the page on the mirror says to type does what it says", { timeout: 120_000 }, async () => {
  const [, rest = ""] = page.split("\n## In five minutes");
  const steps = stepsIn(rest.split("\n## ")[0]!);
  const folder = tempFolder();
  const ports = { replica: String(await freePort()), origin: String(await freePort()) };
  /** The reader's ports and folders are taken, and npm takes its time. */
  const own = (text: string) =>
    text
      .replaceAll("8787", ports.replica)
      .replaceAll("8788", ports.origin)
      .replaceAll("mirror.config.ts", path.join(folder, "mirror.config.ts"))
      .replaceAll(".replica/mirror", path.join(folder, "state"))
      .replace(/^npm run -s replica -- \w+/gm, `$& --url http://127.0.0.1:${ports.replica}`)
      .replace(/^npm (?:run )?(?:-s )?([a-z:]+) --/gm, (_, name: string) => scripts[name]!);
  const functions: string[] = [];
  let said = "";
  let checked = 0;
  for (const { notes, language, text } of steps) {
    for (const { what } of notes.filter(({ does }) => does === "stop")) {
      running.get(what)!.child.kill("SIGINT");
      expect(await running.get(what)!.ended).toBe(0);
    }
    const { does, what = "" } = notes.find((note) => note.does !== "stop") ?? {};
    if (does === "file") {
      writeFileSync(path.join(folder, what), own(text));
    } else if (does === "run") {
      const port = what === "replica" ? ["--port", ports.replica] : [];
      const [, script = "", ...args] = own(text).trim().split(/\s+/);
      const started = runScript(script, [...args, ...port]);
      running.set(what, started);
      await started.line(what === "replica" ? /^ready /m : /^origin /m);
    } else if (does === "prints") {
      await running.get(what)!.line(printed(text));
      checked++;
    } else if (language === "sh") {
      const command = own(text);
      const { stdout } = await promisify(execFile)("bash", ["-euc", [...functions, command].join("\n")], { cwd: ROOT });
      functions.push(...(command.match(/^\w+\(\) \{[\s\S]*?^\}/gm) ?? []));
      said = stdout.replaceAll("\r", "");
    } else if (language === "") {
      expect(said).toMatch(printed(text));
      checked++;
    }
  }
  expect(checked).toBe(4);
});
