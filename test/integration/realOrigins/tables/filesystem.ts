import { Buffer } from "node:buffer";
import path from "node:path";
import type { Call } from "../support/calls.ts";
import type { Changing } from "../support/comparable.ts";
import type { Surface } from "../support/surface.ts";

/** What is in the folder at the start. */
export const FILES: Record<string, Buffer> = {
  "notes.txt": Buffer.from("first line\nsecond line\nthird line with ☃\nlast line\n"),
  "pixel.png": Buffer.from(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
    "base64",
  ),
  "tone.wav": Buffer.from("UklGRiQAAABXQVZFZm10IBAAAAABAAEAgD4AAAB9AAACABAAZGF0YQAAAAA=", "base64"),
  "data.bin": Buffer.from([0, 255, 13, 10, 226, 128, 168]),
  "sub/deep/leaf.txt": Buffer.from("leaf"),
};

/** Both sets of files are made at the start of the test, a moment apart. */
const TIMES: Changing[] = [[/^(created|modified|accessed): .*$/gm, "$1: <time>"]];

/** Every tool, in an order in which each finds something to do. */
export function callsIn(folder: string): Call[] {
  const at = (...names: string[]) => path.join(folder, ...names);
  const notes = at("notes.txt");
  const scope = "private";
  return [
    { tool: "list_allowed_directories", arguments: {}, scope: "public" },
    { tool: "read_text_file", arguments: { path: notes }, scope },
    { tool: "read_text_file", arguments: { path: notes, head: 2 }, scope },
    { tool: "read_text_file", arguments: { path: notes, tail: 1 }, scope },
    { tool: "read_text_file", arguments: { path: "/etc/hostname" }, fails: true },
    { tool: "read_file", arguments: { path: at("sub/deep/leaf.txt") }, scope },
    { tool: "read_multiple_files", arguments: { paths: [notes, at("none.txt")] }, scope },
    { tool: "read_media_file", arguments: { path: at("pixel.png") }, scope: "public" },
    { tool: "read_media_file", arguments: { path: at("tone.wav") }, scope: "public" },
    { tool: "read_media_file", arguments: { path: at("data.bin") }, scope: "public" },
    { tool: "list_directory", arguments: { path: folder }, scope },
    { tool: "list_directory_with_sizes", arguments: { path: folder, sortBy: "size" }, scope },
    { tool: "directory_tree", arguments: { path: folder, excludePatterns: ["*.bin"] }, scope },
    { tool: "search_files", arguments: { path: folder, pattern: "**/*.txt" }, scope },
    { tool: "get_file_info", arguments: { path: notes }, scope, changing: TIMES },
    { tool: "write_file", arguments: { path: at("new.txt"), content: "Zeile 1\nZeile 2 ☃\n" } },
    {
      tool: "edit_file",
      arguments: { path: notes, edits: [{ oldText: "second line", newText: "line two" }], dryRun: true },
    },
    { tool: "edit_file", arguments: { path: notes, edits: [{ oldText: "second line", newText: "line two" }] } },
    { tool: "edit_file", arguments: { path: notes, edits: [{ oldText: "not there", newText: "" }] }, fails: true },
    { tool: "create_directory", arguments: { path: at("made/of/folders") } },
    { tool: "move_file", arguments: { source: at("new.txt"), destination: at("made/moved.txt") } },
    { tool: "move_file", arguments: { source: at("new.txt"), destination: at("nowhere.txt") }, fails: true },
    { tool: "directory_tree", arguments: { path: folder }, scope },
  ];
}

export const SURFACE: Surface = { prompts: {}, templates: {}, completions: [] };
