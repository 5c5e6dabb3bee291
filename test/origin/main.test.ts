import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { BadOption, parseOptions } from "../../scripts/origin/parseOptions.ts";
import { connectModern } from "./clients.ts";

const MAIN = fileURLToPath(new URL("../../scripts/origin/main.ts", import.meta.url));

function run(...args: string[]): ChildProcess & { stdout: NodeJS.ReadableStream; stderr: NodeJS.ReadableStream } {
  return spawn(process.execPath, [MAIN, ...args], { stdio: ["ignore", "pipe", "pipe"] }) as never;
}

async function all(stream: NodeJS.ReadableStream): Promise<string> {
  let text = "";
  for await (const chunk of stream) text += String(chunk);
  return text;
}

describe("options", () => {
  test("have defaults", () => {
    expect(parseOptions([])).toEqual({
      port: 8788,
      latencyMs: 0,
      jitterMs: 0,
      failRate: 0,
      state: undefined,
      only: "",
      editable: false,
    });
  });

  test("are read", () => {
    const args = [
      "--port",
      "0",
      "--latency",
      "150ms",
      "--jitter",
      "1s",
      "--fail-rate",
      "0.01",
      "--state",
      "notes",
      "--only",
      "css.",
      "--editable",
    ];
    expect(parseOptions(args)).toEqual({
      port: 0,
      latencyMs: 150,
      jitterMs: 1_000,
      failRate: 0.01,
      state: "notes",
      only: "css.",
      editable: true,
    });
    expect(parseOptions(["--help"])).toBeUndefined();
  });

  test.each([
    ["--port must be a whole number", "--port", "http"],
    ["--port must be a whole number", "--port", "65536"],
    ["--latency must be a duration", "--latency", "150"],
    ["--latency must be at most", "--latency", "1h"],
    ["--jitter must be a duration", "--jitter", ""],
    ["--fail-rate must be a number from 0 to 1", "--fail-rate", "1.5"],
    ["--fail-rate must be a number from 0 to 1", "--fail-rate", "half"],
    ["--state must name a folder", "--state", ""],
    ["Unknown option", "--colour", "red"],
    ["Unexpected argument", "start"],
  ])("%s: %s %s", (message, ...args) => {
    expect(() => parseOptions(args)).toThrow(BadOption);
    expect(() => parseOptions(args)).toThrow(message);
  });
});

describe("the command", () => {
  test.each(["SIGINT", "SIGTERM"] as const)(
    "says where it is, serves, and ends on %s",
    async (signal) => {
      const origin = run("--port", "0");
      const exited = once(origin, "exit");
      const lines = createInterface(origin.stdout);
      const [line] = (await once(lines, "line")) as [string];
      expect(line).toMatch(/^origin http:\/\/127\.0\.0\.1:\d+\/mcp$/);
      const client = await connectModern(line.slice("origin ".length));
      // An open stream must not keep it from ending.
      const listening = await client.listen({ resourcesListChanged: true });
      origin.kill(signal);
      expect(await exited).toEqual([0, null]);
      expect(await listening.closed).toBe("graceful");
      await client.close();
    },
    20_000,
  );

  test("ends with 2 and says why for a bad option", async () => {
    const origin = run("--fail-rate", "2");
    const [[code], errors, output] = await Promise.all([once(origin, "exit"), all(origin.stderr), all(origin.stdout)]);
    expect(code).toBe(2);
    expect(errors).toMatch(/^--fail-rate must be a number from 0 to 1, not "2"\nUsage: /);
    expect(output).toBe("");
  }, 20_000);
});
