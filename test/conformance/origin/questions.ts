import { type InputRequest, inputRequired } from "@modelcontextprotocol/server";

/** A form with one field, to fill in by the user. */
export function form(message: string, field: string, type: "string" | "boolean" = "string"): InputRequest {
  const schema = type === "string" ? { type } : { type };
  return inputRequired.elicit({
    message,
    requestedSchema: { type: "object", properties: { [field]: schema }, required: [field] },
  });
}

/** A prompt for the client's model. */
export function sampling(prompt: string, maxTokens = 100): InputRequest {
  return inputRequired.createMessage({
    messages: [{ role: "user", content: { type: "text", text: prompt } }],
    maxTokens,
  });
}
