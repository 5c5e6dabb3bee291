import { acceptedContent, inputRequired, inputResponse, type McpServer } from "@modelcontextprotocol/server";
import { type Context, capabilitiesOf, type Progress } from "../context.ts";
import { form, sampling } from "../questions.ts";
import { says } from "../samples.ts";

const PREFIX = "test_input_required_result_";
const roots = () => inputRequired.listRoots();

/** Adds the tools that return before they are done, and go on when the client comes back with what they lack. */
export function addInputRequiredTools(server: McpServer, context: Context): void {
  server.registerTool(`${PREFIX}elicitation`, { description: "Lacks a name." }, (ctx) => {
    const name = acceptedContent(ctx.mcpReq.inputResponses, "user_name")?.name;
    if (typeof name === "string") return says(`Hello, ${name}!`);
    return inputRequired({ inputRequests: { user_name: form("What is your name?", "name") } });
  });
  server.registerTool(`${PREFIX}sampling`, { description: "Lacks a sample." }, (ctx) => {
    const answer = inputResponse(ctx.mcpReq.inputResponses, "capital_question");
    if (answer.kind === "sampling") return says(JSON.stringify(answer.result.content));
    return inputRequired({ inputRequests: { capital_question: sampling("What is the capital of France?") } });
  });
  server.registerTool(`${PREFIX}list_roots`, { description: "Lacks the roots." }, (ctx) => {
    const answer = inputResponse(ctx.mcpReq.inputResponses, "client_roots");
    if (answer.kind === "roots") return says(answer.roots.map(({ uri }) => uri).join(" "));
    return inputRequired({ inputRequests: { client_roots: roots() } });
  });
  server.registerTool(`${PREFIX}capabilities`, { description: "Asks for what the client can give." }, (ctx) => {
    if (ctx.mcpReq.inputResponses) return says("Thank you.");
    const { sampling: samples, elicitation, roots: hasRoots } = capabilitiesOf(ctx);
    const inputRequests = {
      ...(samples !== undefined && { sample: sampling("Say something.") }),
      ...(elicitation !== undefined && { name: form("What is your name?", "name") }),
      ...(hasRoots !== undefined && { roots: roots() }),
    };
    return Object.keys(inputRequests).length > 0 ? inputRequired({ inputRequests }) : says("You can give nothing.");
  });
  addStatefulTools(server, context);
}

/** Those that send a sealed state along, and refuse one that is not theirs. */
function addStatefulTools(server: McpServer, { states }: Context): void {
  for (const tool of [`${PREFIX}request_state`, `${PREFIX}tampered_state`]) {
    server.registerTool(tool, { description: "Lacks a confirmation, and keeps a state." }, async (ctx) => {
      const ok = acceptedContent(ctx.mcpReq.inputResponses, "confirm")?.ok;
      if (ok !== undefined && ctx.mcpReq.requestState<Progress>()?.tool === tool) return says("state-ok");
      const requestState = await states.mint({ tool, step: 1 });
      return inputRequired({ inputRequests: { confirm: form("Please confirm", "ok", "boolean") }, requestState });
    });
  }
  const several = `${PREFIX}multiple_inputs`;
  server.registerTool(several, { description: "Lacks three things at once." }, async (ctx) => {
    const responses = ctx.mcpReq.inputResponses;
    const kinds = ["user_name", "greeting", "client_roots"].map((key) => inputResponse(responses, key).kind);
    const isKnown = ctx.mcpReq.requestState<Progress>()?.tool === several;
    if (isKnown && kinds.join(" ") === "elicit sampling roots") return says("All there.");
    return inputRequired({
      inputRequests: {
        user_name: form("What is your name?", "name"),
        greeting: sampling("Generate a greeting", 50),
        client_roots: roots(),
      },
      requestState: await states.mint({ tool: several, step: 1 }),
    });
  });
  const rounds = `${PREFIX}multi_round`;
  server.registerTool(rounds, { description: "Lacks two things, one after the other." }, async (ctx) => {
    const state = ctx.mcpReq.requestState<Progress>();
    const responses = ctx.mcpReq.inputResponses;
    const color = acceptedContent(responses, "step2")?.color;
    if (state?.tool === rounds && state.step === 2 && typeof color === "string") {
      return says(`${state.name} likes ${color}.`);
    }
    const name = acceptedContent(responses, "step1")?.name;
    if (state?.tool === rounds && state.step === 1 && typeof name === "string") {
      return inputRequired({
        inputRequests: { step2: form("Step 2: What is your favorite color?", "color") },
        requestState: await states.mint({ tool: rounds, step: 2, name }),
      });
    }
    return inputRequired({
      inputRequests: { step1: form("Step 1: What is your name?", "name") },
      requestState: await states.mint({ tool: rounds, step: 1 }),
    });
  });
}
