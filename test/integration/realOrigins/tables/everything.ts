import type { Call } from "../support/calls.ts";
import type { Changing } from "../support/comparable.ts";
import { prompt, type Read, readsAmong, resource } from "../support/reads.ts";
import type { Surface } from "../support/surface.ts";

const LOGGED = "notifications/message";

/** What differs each time at this origin. */
export const CHANGING: Changing[] = [
  // The ids of sessions and elicitations, of which its sentences tell, are random.
  [/[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}/g, "<uuid>"],
  // So are those of tasks, which the clients choose.
  [/\b[\da-f]{32}\b/g, "<task>"],
  // It writes the time of day into resources that it makes up, and into tasks.
  [/\d{1,2}:\d{2}:\d{2}\s[AP]M/g, "<time>"],
  [/\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z/g, "<instant>"],
];

/** Of the messages of its simulated log it sends one at random. */
const LEVEL: Changing[] = [
  [/^\w+[- ]level[- ]message - SessionId/, "<some> message - SessionId"],
  [/^(debug|info|notice|warning|error|critical|alert|emergency)$/, "<level>"],
];

/** Every tool of the reference server that any client may call. */
export const CALLS: Call[] = [
  { tool: "echo", arguments: { message: "Grüße, ☃ \u2028 \\u0041!" }, scope: "public" },
  { tool: "get-sum", arguments: { a: 2, b: -0.5 }, scope: "public" },
  { tool: "get-sum", arguments: { a: "two", b: 1 }, fails: true },
  { tool: "get-annotated-message", arguments: { messageType: "error", includeImage: true }, scope: "public" },
  { tool: "get-annotated-message", arguments: { messageType: "debug" }, scope: "public" },
  { tool: "get-env", arguments: {}, scope: "private" },
  { tool: "get-resource-links", arguments: { count: 4 }, scope: "public" },
  { tool: "get-resource-reference", arguments: { resourceType: "Text", resourceId: 7 }, scope: "private" },
  { tool: "get-resource-reference", arguments: { resourceType: "Blob", resourceId: 8 }, scope: "private" },
  { tool: "get-structured-content", arguments: { location: "Chicago" }, scope: "public" },
  { tool: "get-tiny-image", arguments: {}, scope: "public" },
  ...["resource", "resourceLink"].map((outputType) => ({
    tool: "gzip-file-as-resource",
    // The compressed file becomes a resource of the session. The address is the data: nothing is fetched.
    arguments: { name: `${outputType}.gz`, data: "data:text/plain,compress%20me", outputType },
    brings: ["notifications/resources/list_changed"],
  })),
  {
    tool: "trigger-long-running-operation",
    arguments: { duration: 0.09, steps: 3 },
    do: (client: any) => {
      const args = { name: "trigger-long-running-operation", arguments: { duration: 0.09, steps: 3 } };
      const told: unknown[] = [];
      const options = { onprogress: (progress: unknown) => told.push(progress) };
      // The second argument of the first package is a schema.
      const answer = client["experimental"]
        ? client["callTool"](args, undefined, options)
        : client["callTool"](args, options);
      return answer.then((result: object) => ({ ...result, told }));
    },
    brings: ["notifications/progress", "notifications/progress", "notifications/progress"],
  },
  // Started, it sends its first message at once, and is stopped long before the second.
  { tool: "toggle-simulated-logging", arguments: {}, brings: [LOGGED], changing: LEVEL },
  { tool: "toggle-simulated-logging", arguments: {} },
  {
    tool: "toggle-subscriber-updates",
    arguments: {},
    do: async (client) => {
      await client["subscribeResource"]({ uri: "demo://resource/dynamic/text/1" });
      return client.callTool({ name: "toggle-subscriber-updates", arguments: {} });
    },
    brings: [LOGGED, "notifications/resources/updated"],
  },
  {
    tool: "toggle-subscriber-updates",
    arguments: {},
    do: async (client) => {
      await client["unsubscribeResource"]({ uri: "demo://resource/dynamic/text/1" });
      return client.callTool({ name: "toggle-subscriber-updates", arguments: {} });
    },
    brings: [LOGGED],
  },
  // What follows asks the client something before it answers.
  { tool: "get-roots-list", arguments: {} },
  { tool: "trigger-sampling-request", arguments: { prompt: "Why?" }, brings: ["sampling/createMessage"] },
  { tool: "trigger-elicitation-request", arguments: {}, brings: ["elicitation/create"] },
  {
    tool: "trigger-url-elicitation",
    arguments: { url: "https://example.com/sign", elicitationId: "e-1" },
    brings: ["elicitation/create"],
  },
  {
    tool: "trigger-url-elicitation",
    arguments: { url: "https://example.com/sign", elicitationId: "e-2", errorPath: true },
    fails: true,
  },
];

/** Its tools for a client that knows tasks. */
export const TASK_CALLS: Call[] = [
  {
    tool: "trigger-sampling-request-async",
    arguments: { prompt: "Why not?" },
    brings: ["sampling/createMessage", "tasks/get", "tasks/result"],
  },
  {
    tool: "trigger-elicitation-request-async",
    arguments: {},
    brings: ["elicitation/create", "tasks/get", "tasks/result"],
  },
  {
    tool: "simulate-research-query",
    arguments: { topic: "python", ambiguous: true },
    do: async (client) => {
      const args = { name: "simulate-research-query", arguments: { topic: "python", ambiguous: true } };
      for await (const step of client["experimental"].tasks.callToolStream(args, undefined, { task: {} })) {
        if (step.type === "error") throw step.error;
        if (step.type === "result") return step.result;
      }
      throw new Error("the task ended without a result");
    },
    brings: ["elicitation/create"],
    polls: true,
  },
];

/** Listed for any client, but only to be called as a task. */
export const REFUSED_CALLS: Call[] = [{ tool: "simulate-research-query", arguments: { topic: "python" }, fails: true }];

/** What an operator would let the replica keep. */
export const READS: Read[] = [
  ...readsAmong(CALLS),
  resource("demo://resource/static/document/features.md", "public"),
  resource("demo://resource/static/document/structure.md", "private"),
  prompt("completable-prompt", { department: "Sales", name: "Eve" }, "public"),
  prompt("args-prompt", { city: "Zürich" }, "private"),
];

export const SURFACE: Surface = {
  prompts: {
    "simple-prompt": {},
    "args-prompt": { city: "Zürich", state: "ZH" },
    "completable-prompt": { department: "Engineering", name: "Alice" },
    "resource-prompt": { resourceType: "Blob", resourceId: "3" },
  },
  templates: {
    "demo://resource/dynamic/text/{resourceId}": "demo://resource/dynamic/text/12",
    "demo://resource/dynamic/blob/{resourceId}": "demo://resource/dynamic/blob/13",
  },
  completions: [
    { ref: { type: "ref/prompt", name: "completable-prompt" }, argument: { name: "department", value: "S" } },
    {
      ref: { type: "ref/prompt", name: "completable-prompt" },
      argument: { name: "name", value: "G" },
      context: { arguments: { department: "Marketing" } },
    },
    {
      ref: { type: "ref/resource", uri: "demo://resource/dynamic/text/{resourceId}" },
      argument: { name: "resourceId", value: "5" },
    },
  ],
};
