import type { NoResult } from "../origin/OwnCalls.ts";
import type { NoPage } from "./Source.ts";

/** What is said of `what`, which the origin was asked for, where it gave no result. */
export function noPage(answer: NoResult, what: string): NoPage {
  if ("failure" in answer) return answer;
  if ("error" in answer) return { bad: `The origin answered ${what} with the JSON-RPC error ${answer.error}.` };
  return { bad: `What the origin answered ${what} with is of no use: ${answer.bad}.` };
}
