import { fromJsonSchema, type McpServer } from "@modelcontextprotocol/server";
import * as z from "zod";
import { says } from "../samples.ts";

/** A schema with what JSON Schema 2020-12 has and older drafts have not. Lists must hand it on unchanged. */
const CONTACT = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  type: "object" as const,
  $defs: {
    address: {
      $anchor: "addressDef",
      type: "object",
      properties: { street: { type: "string" }, city: { type: "string" } },
    },
  },
  properties: {
    name: { type: "string" },
    address: { $ref: "#/$defs/address" },
    contactMethod: { type: "string", enum: ["phone", "email"] },
    phone: { type: "string" },
    email: { type: "string" },
  },
  allOf: [{ anyOf: [{ required: ["phone"] }, { required: ["email"] }] }],
  if: { properties: { contactMethod: { const: "phone" } }, required: ["contactMethod"] },
  // oxlint-disable-next-line unicorn/no-thenable -- the keyword of JSON Schema
  then: { required: ["phone"] },
  else: { required: ["email"] },
  additionalProperties: false,
};

/** Adds the tools whose schemas are what is tested. */
export function addSchemaTools(server: McpServer): void {
  server.registerTool(
    "json_schema_2020_12_tool",
    {
      description: "Has a schema of the 2020-12 draft.",
      inputSchema: fromJsonSchema<Record<string, unknown>>(CONTACT),
    },
    (contact) => says(JSON.stringify(contact)),
  );
  server.registerTool(
    "test_x_mcp_header",
    {
      description: "Has an argument that is repeated in a header.",
      inputSchema: z.object({ region: z.string().optional().meta({ "x-mcp-header": "Region" }) }),
      annotations: { readOnlyHint: true },
    },
    ({ region }) => says(`Region: ${region ?? "none"}`),
  );
}
