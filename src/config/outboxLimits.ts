import { parseDuration } from "./duration.ts";
import type { OutboxLimits } from "./replica.ts";
import { parseSize } from "./size.ts";
import type { OutboxConfig } from "./writeTypes.ts";

/** How much the arguments in an outbox may take at most: 1 GB, a tenth of what a Durable Object holds. */
export const MAX_OUTBOX_BYTES = 1_073_741_824;

/** The bounds of an outbox with every default filled in. What one caller may have is never more than there is for all. */
export function outboxLimitsOf(config: OutboxConfig = {}): OutboxLimits {
  const depth = config.depth ?? 10_000;
  const bytes = parseSize(config.bytes ?? "64MB")!;
  return {
    depth,
    bytes,
    callerDepth: config.callerDepth ?? Math.min(1_000, depth),
    callerBytes: config.callerBytes === undefined ? Math.min(16_777_216, bytes) : parseSize(config.callerBytes)!,
    maxAgeMs: parseDuration(config.maxAge ?? "24h")!,
    retentionMs: parseDuration(config.retention ?? "24h")!,
  };
}
