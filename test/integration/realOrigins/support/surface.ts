import { expect } from "vitest";
import { expectSame, type Sides } from "./exchange.ts";
import type { Party } from "./party.ts";

/** How to ask for everything that an origin lists and that has parameters. */
export interface Surface {
  /** The arguments of each prompt. */
  prompts: Record<string, Record<string, string>>;
  /** A resource of each template. */
  templates: Record<string, string>;
  completions: {
    ref: { type: "ref/prompt"; name: string } | { type: "ref/resource"; uri: string };
    argument: { name: string; value: string };
    context?: { arguments: Record<string, string> };
  }[];
}

/** What each side has been told of the server, and in which revision they talk. */
export function expectSameMeeting({ direct, through }: Sides): void {
  const told = ({ client }: Party) => [
    client["getServerVersion"](),
    client["getInstructions"](),
    client["getNegotiatedProtocolVersion"]?.(),
    client["transport"].protocolVersion,
  ];
  expect(told(direct)[0]).toMatchObject({ name: expect.stringContaining("server") as string });
  expect(told(through)).toEqual(told(direct));
  const offered = direct.client["getServerCapabilities"]();
  // Without a session nothing reaches a client of the legacy era unasked, so the replica does not promise it.
  const hasStream = direct.isModern || direct.isInSession;
  expect(through.client["getServerCapabilities"]()).toEqual(hasStream ? offered : withoutPromises(offered));
}

function withoutPromises(capabilities: Record<string, Record<string, unknown>>): unknown {
  const members = Object.entries(capabilities).map(([name, { listChanged: _, subscribe: __, ...kept }]) => [
    name,
    kept,
  ]);
  return Object.fromEntries(members);
}

/** Lists, reads, gets and completes everything there is. Resources that only exist in the session count, too. */
export async function expectSameSurface(sides: Sides, surface: Surface): Promise<void> {
  const { client } = sides.direct;
  await expectSame(sides, { do: (client) => client.listTools() });
  const has = client["getServerCapabilities"]();
  if (has.resources) {
    for (const list of ["listResources", "listResourceTemplates"]) {
      await expectSame(sides, { do: (client) => client[list]() });
    }
    const { resourceTemplates } = await client.listResourceTemplates();
    expect(Object.keys(surface.templates)).toEqual(resourceTemplates.map(({ uriTemplate }) => uriTemplate));
    const { resources } = await client.listResources();
    expect(resources.length).toBeGreaterThan(0);
    for (const uri of [...resources.map(({ uri }) => uri), ...Object.values(surface.templates)]) {
      await expectSame(sides, { do: (client) => client.readResource({ uri }) });
    }
  }
  if (has.prompts) {
    await expectSame(sides, { do: (client) => client.listPrompts() });
    const { prompts } = await client.listPrompts();
    expect(Object.keys(surface.prompts).sort()).toEqual(prompts.map(({ name }) => name).sort());
    for (const [name, args] of Object.entries(surface.prompts)) {
      await expectSame(sides, { do: (client) => client.getPrompt({ name, arguments: args }) });
    }
  }
  expect(has.completions !== undefined).toBe(surface.completions.length > 0);
  for (const params of surface.completions) await expectSame(sides, { do: (client) => client.complete(params) });
}
