import { setTimeout as wait } from "node:timers/promises";
import {
  acceptedContent,
  type CallToolResult,
  type InputRequests,
  inputRequired,
  type McpServer,
  type ServerContext,
} from "@modelcontextprotocol/server";
import * as z from "zod";
import { type Context, capabilitiesOf, knowsTasks } from "../context.ts";
import { form } from "../questions.ts";
import { says } from "../samples.ts";
import type { Work } from "../tasks/Tasks.ts";

/** Adds the tools that answer with a task where the client knows tasks. */
export function addTaskTools(server: McpServer, { tasks, hasTasks }: Context): void {
  // The SDK has no type for such a result, but hands it on.
  const start = (work: (work: Work) => Promise<CallToolResult>) =>
    hasTasks ? (tasks.start(work) as unknown as CallToolResult) : work({ signal: NEVER, ask: cannotAsk });
  // Without tasks it is asked first, as tools without tasks do.
  const asking = ({ mcpReq }: ServerContext, questions: InputRequests, done: string) => {
    if (hasTasks) {
      return start(async ({ ask }) => {
        await ask(questions);
        return says(done);
      });
    }
    const isAnswered = Object.keys(questions).every((key) => Object.hasOwn(mcpReq.inputResponses ?? {}, key));
    return isAnswered ? says(done) : inputRequired({ inputRequests: questions });
  };
  server.registerTool(
    "greet",
    { description: "Greets.", inputSchema: z.object({ name: z.string() }), annotations: { readOnlyHint: true } },
    ({ name }) => says(`Hello, ${name}!`),
  );
  server.registerTool(
    "slow_compute",
    {
      description: "Takes its time; as a task, where the client knows tasks.",
      inputSchema: z.object({ seconds: z.number(), label: z.string().optional() }),
    },
    ({ seconds, label }, ctx) => {
      const compute = async (signal: AbortSignal) => {
        await wait(seconds * 1_000, undefined, { signal });
        return says(`Computed ${label ?? "nothing"} in ${seconds} s.`);
      };
      return hasTasks && isTask(ctx) ? start(({ signal }) => compute(signal)) : compute(ctx.mcpReq.signal);
    },
  );
  server.registerTool("failing_job", { description: "A task with an error as its result." }, () =>
    start(async ({ signal }) => {
      await wait(100, undefined, { signal });
      return { ...says("The job has failed."), isError: true };
    }),
  );
  server.registerTool("protocol_error_job", { description: "A task that breaks down." }, () =>
    start(async ({ signal }) => {
      await wait(100, undefined, { signal });
      throw new Error("The job broke down.");
    }),
  );
  server.registerTool(
    "confirm_delete",
    { description: "A task that asks first.", inputSchema: z.object({ filename: z.string() }) },
    ({ filename }, ctx) => {
      const questions = { confirm: form(`Delete ${filename}?`, "confirm", "boolean") };
      return asking(ctx, questions, `Deleted ${filename}.`);
    },
  );
  server.registerTool("multi_input", { description: "A task that asks two things." }, (ctx) => {
    const questions = { name: form("What is your name?", "name"), confirm: form("Go on?", "confirm", "boolean") };
    return asking(ctx, questions, "Both answered.");
  });
  server.registerTool("test_tool_with_task", { description: "Asks first, then goes on as a task." }, (ctx) => {
    const name = acceptedContent(ctx.mcpReq.inputResponses, "user_name")?.name;
    if (typeof name === "string") return start(async () => says(`Done for ${name}.`));
    return inputRequired({ inputRequests: { user_name: form("What is your name?", "name") } });
  });
}

const NEVER = new AbortController().signal;

async function cannotAsk(): Promise<never> {
  throw new Error("Nobody can be asked.");
}

function isTask(ctx: ServerContext): boolean {
  return knowsTasks(capabilitiesOf(ctx));
}
