/** What the user of every client under test would type into a form. */
const ANSWERS: Record<string, unknown> = {
  name: "Ada Lovelace",
  check: true,
  email: "ada@example.com",
  birthdate: "1815-12-10",
  integer: 7,
  favoriteColor: "Blue",
  agreeToTerms: true,
  interpretation: "technical",
};

/** What every client under test declares. */
export const CAPABILITIES = {
  sampling: {},
  elicitation: { form: {}, url: {} },
  roots: { listChanged: true },
};

/** The answer to `sampling/createMessage`. */
export const sampled = (params: Record<string, any>) => ({
  model: "test-model",
  role: "assistant" as const,
  content: { type: "text" as const, text: `Answer to: ${params["messages"][0].content.text}` },
  stopReason: "endTurn",
});

/** The answer to `elicitation/create`: a page is opened, and of a form each known field is filled in. */
export function elicited(params: Record<string, any>) {
  if (params["mode"] === "url") return { action: "accept" as const };
  const asked = Object.keys(params["requestedSchema"].properties);
  const content = Object.fromEntries(asked.flatMap((key) => (key in ANSWERS ? [[key, ANSWERS[key]]] : [])));
  return { action: "accept" as const, content: content as Record<string, string> };
}

/** The answer to `roots/list`. */
export const listed = () => ({ roots: [{ uri: "file:///home/ada/engine", name: "Analytical engine" }] });
