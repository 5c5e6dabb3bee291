import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { expect } from "vitest";
import { freePort } from "../../scripts/serve/freePort.ts";
import { ROOT, runScript, tempFolder, type Running } from "./runScript.ts";

const { scripts } = JSON.parse(readFileSync(path.join(ROOT, "package.json"), "utf8")) as {
  scripts: Record<string, string>;
};

/** A step of a page: what is in a fence, and what a comment before it, which readers do not see, says of it. */
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

/** What is printed, but for numbers, ids and the width of gaps. */
function printed(text: string): RegExp {
  const lines = text.trimEnd().split("\n");
  const literal = (line: string) =>
    line
      .replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")
      .replace(/er-op-[0-9a-f]+/g, "er-op-ID")
      .replace(/\d(?:\\?[\d.,])*/g, "[\\d.,]+")
      .replace(/er-op-ID/g, "er-op-[0-9a-f]+")
      .replace(/ {2,}/g, " +")
      .trimEnd();
  return new RegExp(`^${lines.map((line) => `${literal(line)} *`).join("\n")}$`, "m");
}

/**
 * Does what "In five minutes" of a page in `docs/` says, with ports and folders of its own, and sees that everything prints what stands
 * there. How many outputs were compared.
 */
export async function followPage(page: string): Promise<number> {
  const [, rest = ""] = readFileSync(path.join(ROOT, "docs", page), "utf8").split("\n## In five minutes");
  const steps = stepsIn(rest.split("\n## ")[0]!);
  const folder = tempFolder();
  const ports = { replica: String(await freePort()), origin: String(await freePort()) };
  /** The reader's ports and folders are taken, and npm takes its time. */
  const own = (text: string) =>
    text
      .replaceAll("8787", ports.replica)
      .replaceAll("8788", ports.origin)
      .replaceAll(/\b\w+\.config\.ts/g, (file) => path.join(folder, file))
      .replaceAll(".replica/", `${folder}/`)
      .replace(/^npm run -s replica -- \w+/gm, `$& --url http://127.0.0.1:${ports.replica}`)
      .replace(/^npm (?:run )?(?:-s )?([a-z:]+) --/gm, (_, name: string) => scripts[name]!);
  const running = new Map<string, Running>();
  const functions: string[] = [];
  let said = "";
  let checked = 0;
  try {
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
        const bash = ["-euc", [...functions, own(text)].join("\n")];
        const { stdout } = await promisify(execFile)("bash", bash, { cwd: ROOT });
        functions.push(...(own(text).match(/^\w+\(\) \{[\s\S]*?^\}/gm) ?? []));
        said = stdout.replaceAll("\r", "");
      } else if (language === "") {
        expect(said).toMatch(printed(text));
        checked++;
      }
    }
  } finally {
    for (const { child, ended } of running.values()) {
      child.kill("SIGINT");
      await ended;
    }
  }
  return checked;
}
