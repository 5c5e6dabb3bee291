import { acceptedContent, completable, inputRequired, type McpServer } from "@modelcontextprotocol/server";
import * as z from "zod";
import type { Context } from "./context.ts";
import { form } from "./questions.ts";
import { PIXEL, text } from "./samples.ts";

const WORDS = ["paris", "park", "party", "test", "testing"];

/** Adds the prompts: with nothing, arguments, a resource, an image, a question to the user, and one that changes. */
export function addPrompts(server: McpServer, { changes }: Context): void {
  server.registerPrompt("test_simple_prompt", { description: "A prompt without arguments." }, () => ({
    messages: [user(text("This is a simple prompt for testing."))],
  }));
  const word = (which: string) =>
    completable(z.string().describe(`${which} test argument`), (start) => WORDS.filter((one) => one.startsWith(start)));
  server.registerPrompt(
    "test_prompt_with_arguments",
    {
      description: "A prompt with two arguments.",
      argsSchema: z.object({ arg1: word("First"), arg2: word("Second") }),
    },
    ({ arg1, arg2 }) => ({ messages: [user(text(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`))] }),
  );
  server.registerPrompt(
    "test_prompt_with_embedded_resource",
    {
      description: "A prompt with a resource in it.",
      argsSchema: z.object({ resourceUri: z.string().describe("URI of the resource to embed") }),
    },
    ({ resourceUri: uri }) => ({
      messages: [
        user({
          type: "resource" as const,
          resource: { uri, mimeType: "text/plain", text: "Embedded resource content for testing." },
        }),
        user(text("Please process the embedded resource above.")),
      ],
    }),
  );
  server.registerPrompt("test_prompt_with_image", { description: "A prompt with an image in it." }, () => ({
    messages: [
      user({ type: "image" as const, data: PIXEL, mimeType: "image/png" }),
      user(text("Please analyze the image above.")),
    ],
  }));
  server.registerPrompt("test_input_required_result_prompt", { description: "A prompt that asks first." }, (ctx) => {
    const wanted = acceptedContent(ctx.mcpReq.inputResponses, "user_context")?.context;
    if (typeof wanted === "string") return { messages: [user(text(`Use this context: ${wanted}`))] };
    return inputRequired({ inputRequests: { user_context: form("What context should the prompt use?", "context") } });
  });
  server.registerPrompt(
    "test_changing_prompt",
    { description: `A prompt whose description changes: ${changes.prompts}.` },
    () => ({ messages: [user(text("This prompt is there to change."))] }),
  );
}

function user<Content>(content: Content): { role: "user"; content: Content } {
  return { role: "user", content };
}
