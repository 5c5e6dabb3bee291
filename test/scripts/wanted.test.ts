import { expect, test } from "vitest";
import { resolve } from "../../src/config/resolve.ts";
import { wanted } from "../../scripts/serve/wanted.ts";

const jwt = { issuer: "https://login.example.com", jwks: "https://login.example.com/jwks" };
const dev = { tokens: { "dev-writer": { subject: "dev-1" } } };
const of = (access: object | undefined) =>
  wanted(resolve({ origins: { a: { url: "https://mcp.example.com/mcp" } }, access }).access, " --url URL");

test("npm start tells what callers have to show, whatever access says", () => {
  expect(of({ open: true, keys: true })).toBeUndefined();
  expect(of({ keys: true, jwt })?.line).toMatch(/KEY=\$\(npm run -s replica -- keys create --name me --url URL\)$/);
  // A key without a role could do nothing.
  expect(of({ keys: true, roles: { reader: {}, writer: {} } })?.line).toContain("--name me --role reader --url URL");
  expect(of({ jwt })).toEqual({
    line: "Callers need a token: TOKEN=an access token of https://login.example.com",
    option: ' -H "Authorization: Bearer $TOKEN"',
  });
  expect(of({ jwt, dev })?.line).toContain("TOKEN=one of access.dev.tokens");
  for (const nobody of [undefined, {}, { open: false }]) expect(of(nobody)?.line).toContain("Nobody is let in");
});
