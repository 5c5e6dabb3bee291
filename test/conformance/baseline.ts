import type { Spoken } from "./origin/serve.ts";

/** A requirement set that is run in front of an origin which lacks the era of it. */
export interface Crossing {
  revision: "2025-11-25" | "2026-07-28";
  origin: Exclude<Spoken, "both">;
}

/** Checks that cannot pass there, and why. */
export interface Expected {
  reason: string;
  /** The ids of the checks, by their scenarios. */
  failing: Readonly<Record<string, readonly string[]>>;
}

export const CROSSINGS: readonly Crossing[] = [
  { revision: "2025-11-25", origin: "modern" },
  { revision: "2026-07-28", origin: "legacy" },
];

/** Of the scenarios for tasks, where these are the replica's own, and the origin has none. */
export const OWN_TASKS: readonly Expected[] = [
  {
    reason:
      "Nothing is asked in the middle of a task of the replica's: it is sent with no capabilities declared, as nobody is there to answer.",
    failing: {
      "tasks-mrtr-input": [
        "sep-2663-tasks-get-status-input-required",
        "tasks-mrtr-tasks-update-resumes",
        "tasks-mrtr-partial-fulfillment",
      ],
    },
  },
  {
    reason:
      "A call that goes on from the answers to questions is not queued: it goes to the origin, which has no tasks to make of it.",
    failing: { "tasks-mrtr-composition": ["sep-2663-mrtr-synchronous-before-task-creation"] },
  },
  {
    reason: "No tool needs tasks: a caller that knows none waits for the answer, or is told that the call is queued.",
    failing: { "tasks-required-task-error": ["sep-2663-server-returns-missing-capability-when-required"] },
  },
];

/** By revision. A check that fails and is not here fails the run; so does one that is here and does not fail. */
export const BASELINE: Readonly<Record<Crossing["revision"], readonly Expected[]>> = {
  "2025-11-25": [
    {
      reason:
        "A modern origin asks for input by an unfinished result, which a caller of the earlier revisions cannot be told: the call is refused with `needs_newer_client`.",
      failing: {
        "tools-call-sampling": ["tools-call-sampling"],
        "tools-call-elicitation": ["tools-call-elicitation"],
        "elicitation-sep1034-defaults": ["elicitation-sep1034-general"],
        "elicitation-sep1330-enums": ["elicitation-sep1330-general"],
      },
    },
    {
      reason:
        "Without a session there is no stream on which updates could come: subscribing is not promised, and answered with -32601.",
      failing: {
        "resources-subscribe": ["resources-subscribe"],
        "resources-unsubscribe": ["resources-unsubscribe"],
      },
    },
    {
      reason:
        "Without a session no log level is kept: no log is asked for, and none is promised. `logging/setLevel` is accepted.",
      failing: { "tools-call-with-logging": ["tools-call-with-logging"] },
    },
    {
      reason: "No session is opened where the origin has none, which the suite warns of.",
      failing: {
        "server-sse-multiple-streams": ["server-sse-multiple-streams-session"],
        "server-sse-polling": ["server-sse-polling-session"],
      },
    },
  ],
  "2026-07-28": [
    {
      reason:
        "An origin of the earlier revisions asks for input in the middle of a call, which takes a session; unfinished results are not made of it.",
      failing: {
        "input-required-result-basic-elicitation": ["sep-2322-elicitation-incomplete"],
        "input-required-result-basic-sampling": ["sep-2322-sampling-incomplete"],
        "input-required-result-basic-list-roots": ["sep-2322-list-roots-incomplete"],
        "input-required-result-request-state": ["sep-2322-request-state-incomplete"],
        "input-required-result-multiple-input-requests": ["sep-2322-multiple-inputs-incomplete"],
        "input-required-result-multi-round": ["sep-2322-multi-round-r1"],
        "input-required-result-missing-input-response": ["sep-2322-missing-response-rerequests"],
        "input-required-result-non-tool-request": ["sep-2322-non-tool-incomplete"],
        "input-required-result-result-type": ["sep-2322-result-type-included"],
        "input-required-result-tampered-state": ["sep-2322-reject-tampered-state"],
        "input-required-result-capability-check": ["sep-2322-respect-client-capabilities"],
        "input-required-result-validate-input": [
          "sep-2322-validate-input-responses",
          "sep-2322-error-on-protocol-error",
        ],
      },
    },
    {
      reason:
        "An origin of the earlier revisions has no error for a capability that the client lacks: its tool says so in a result.",
      failing: {
        "server-stateless": ["sep-2575-server-rejects-undeclared-capability", "sep-2575-missing-capability-http-400"],
      },
    },
    {
      reason: "Tasks are an extension of the modern revision, which such an origin has not, nor the tools that use it.",
      failing: {
        "tasks-lifecycle": [
          "tasks-sync-tool-call",
          "sep-2663-result-type-task-on-create",
          "sep-2663-tasks-get-status-working",
          "sep-2663-tasks-get-status-completed",
          "sep-2663-tool-error-uses-completed-status",
          "sep-2663-tasks-get-status-failed",
          "sep-2663-cancel-ack-empty-result",
          "tasks-cancel-terminal-idempotent-ack",
        ],
        "tasks-capability-negotiation": [
          "tasks-extension-advertised",
          "sep-2663-tasks-methods-non-declaring",
          "sep-2663-server-rejects-undeclared-client",
          "tasks-per-request-meta-opt-in",
        ],
        "tasks-wire-fields": [
          "tasks-wire-field-renames",
          "tasks-no-early-ttl-expiry",
          "tasks-no-related-task-meta-on-inlined-result",
        ],
        "tasks-request-state-removal": ["tasks-request-state-removal-setup"],
        "tasks-mrtr-input": [
          "sep-2663-tasks-get-status-input-required",
          "tasks-mrtr-tasks-update-resumes",
          "tasks-mrtr-partial-fulfillment",
        ],
        "tasks-request-headers": [
          "tasks-headers-tolerate-mcp-method-on-tools-call",
          "sep-2663-routing-headers-accepted-on-tasks-get",
          "sep-2663-server-rejects-mismatched-mcp-name-on-tasks-get",
        ],
        "tasks-dispatch-and-envelope": [
          "tasks-server-directed-creation-no-hint",
          "sep-2663-legacy-task-param-ignored",
          "tasks-immediate-result-shortcut",
          "tasks-result-type-complete-on-non-task-responses",
          "sep-2663-durable-create-strong-consistency",
          "sep-2663-tasks-get-invalid-task-id-32602",
        ],
        "tasks-required-task-error": ["sep-2663-server-returns-missing-capability-when-required"],
        "tasks-mrtr-composition": ["sep-2663-mrtr-synchronous-before-task-creation"],
      },
    },
  ],
};
