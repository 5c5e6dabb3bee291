import type { Call } from "../support/calls.ts";
import { type Read, readsAmong, resource } from "../support/reads.ts";
import type { Surface } from "../support/surface.ts";

const ADA = { name: "Ada", entityType: "person", observations: ["wrote the first program"] };
const ENGINE = { name: "Engine", entityType: "machine", observations: ["never built", "réglé à la vapeur ☁"] };
const PROGRAMS = { from: "Ada", to: "Engine", relationType: "programs" };

const ALL: Call = { tool: "read_graph", arguments: {}, scope: "public" };

/** Every tool, in an order in which each finds something to do. */
export const CALLS: Call[] = [
  { tool: "create_entities", arguments: { entities: [ADA, ENGINE] } },
  { tool: "create_relations", arguments: { relations: [PROGRAMS] } },
  {
    tool: "add_observations",
    arguments: { observations: [{ entityName: "Ada", contents: ["born in 1815", "wrote the first program"] }] },
  },
  { tool: "add_observations", arguments: { observations: [{ entityName: "Nobody", contents: ["x"] }] }, fails: true },
  ALL,
  { tool: "search_nodes", arguments: { query: "program" }, scope: "public" },
  { tool: "open_nodes", arguments: { names: ["Engine"] }, scope: "private" },
  { tool: "delete_observations", arguments: { deletions: [{ entityName: "Ada", observations: ["born in 1815"] }] } },
  { tool: "delete_relations", arguments: { relations: [PROGRAMS] } },
  ALL,
  { tool: "delete_entities", arguments: { entityNames: ["Engine", "Nobody"] } },
  ALL,
  { tool: "create_entities", arguments: { entities: "none" }, fails: true },
];

/** What an operator would let the replica keep. */
export const READS: Read[] = [...readsAmong(CALLS), resource("memory://knowledge-graph", "private")];

export const SURFACE: Surface = { prompts: {}, templates: {}, completions: [] };
