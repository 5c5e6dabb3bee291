import { acceptedContent, inputRequired, inputResponse, type McpServer } from "@modelcontextprotocol/server";
import * as z from "zod";
import { sampling } from "../questions.ts";
import { says } from "../samples.ts";

/** Every kind of value with a default. */
const DEFAULTS = {
  type: "object" as const,
  properties: {
    name: { type: "string" as const, description: "User name", default: "John Doe" },
    age: { type: "integer" as const, description: "User age", default: 30 },
    score: { type: "number" as const, description: "User score", default: 95.5 },
    status: {
      type: "string" as const,
      description: "User status",
      enum: ["active", "inactive", "pending"],
      default: "active",
    },
    verified: { type: "boolean" as const, description: "Verification status", default: true },
  },
  required: [],
};

const CHOICES = ["option1", "option2", "option3"];
const TITLED = ["First", "Second", "Third"].map((word, index) => ({
  const: `value${index + 1}`,
  title: `${word} Option`,
}));

/** Every way to write a choice, the deprecated one included. */
const ENUMS = {
  type: "object" as const,
  properties: {
    untitledSingle: { type: "string" as const, description: "One, without titles", enum: CHOICES },
    titledSingle: { type: "string" as const, description: "One, with titles", oneOf: TITLED },
    legacyEnum: {
      type: "string" as const,
      description: "One, with titles apart",
      enum: ["opt1", "opt2", "opt3"],
      enumNames: ["Option One", "Option Two", "Option Three"],
    },
    untitledMulti: {
      type: "array" as const,
      description: "Several, without titles",
      items: { type: "string" as const, enum: CHOICES },
    },
    titledMulti: { type: "array" as const, description: "Several, with titles", items: { anyOf: TITLED } },
  },
  required: [],
};

const USER = {
  type: "object" as const,
  properties: {
    username: { type: "string" as const, description: "User's response" },
    email: { type: "string" as const, description: "User's email address" },
  },
  required: ["username", "email"],
};

/**
 * Adds the tools that ask the client something. The SDK asks in the way of the era: by a request of the server's on
 * the open stream in the legacy one, by an unfinished result in the modern one.
 */
export function addAskingTools(server: McpServer): void {
  server.registerTool(
    "test_sampling",
    { description: "Asks the client's model.", inputSchema: z.object({ prompt: z.string() }) },
    ({ prompt }, ctx) => {
      const answer = inputResponse(ctx.mcpReq.inputResponses, "answer");
      if (answer.kind === "sampling") return says(`LLM response: ${JSON.stringify(answer.result.content)}`);
      return inputRequired({ inputRequests: { answer: sampling(prompt) } });
    },
  );
  server.registerTool(
    "test_elicitation",
    { description: "Asks the user.", inputSchema: z.object({ message: z.string() }) },
    ({ message }, ctx) => elicit(ctx.mcpReq.inputResponses, message, USER, "User response: "),
  );
  server.registerTool("test_elicitation_sep1034_defaults", { description: "Asks with defaults." }, (ctx) =>
    elicit(ctx.mcpReq.inputResponses, "Please review and update the form fields", DEFAULTS, "Elicitation completed: "),
  );
  server.registerTool("test_elicitation_sep1330_enums", { description: "Asks with choices." }, (ctx) =>
    elicit(ctx.mcpReq.inputResponses, "Please select options from the enum fields", ENUMS, "Elicitation completed: "),
  );
  server.registerTool("test_streaming_elicitation", { description: "Asks the user whether to go on." }, (ctx) => {
    const go = { type: "object" as const, properties: { ok: { type: "boolean" as const } }, required: ["ok"] };
    const accepted = acceptedContent(ctx.mcpReq.inputResponses, "answer");
    return accepted ? says("Went on.") : elicit(undefined, "Go on?", go, "");
  });
  server.registerTool("test_missing_capability", { description: "Needs a client that can sample." }, (ctx) => {
    // The SDK refuses this where the request does not declare the capability.
    if (inputResponse(ctx.mcpReq.inputResponses, "answer").kind === "sampling") return says("Sampled.");
    return inputRequired({ inputRequests: { answer: sampling("Anything.") } });
  });
}

type Schema = Parameters<typeof inputRequired.elicit>[0]["requestedSchema"];

function elicit(
  responses: Record<string, unknown> | undefined,
  message: string,
  requestedSchema: Schema,
  prefix: string,
) {
  const answer = inputResponse(responses, "answer");
  if (answer.kind === "elicit") {
    return says(`${prefix}action=${answer.action}, content=${JSON.stringify(answer.content ?? {})}`);
  }
  return inputRequired({ inputRequests: { answer: inputRequired.elicit({ message, requestedSchema }) } });
}
