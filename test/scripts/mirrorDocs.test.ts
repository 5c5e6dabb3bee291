import { expect, test } from "vitest";
import { followPage } from "./followPage.ts";

test("what the page on the mirror says to type does what it says", { timeout: 120_000 }, async () => {
  expect(await followPage("mirror.md")).toBe(4);
});
