import { CLIENT_INFO } from "./clientInfo.ts";
import { META_CAPABILITIES, META_CLIENT_INFO, META_VERSION } from "./names.ts";
import { MODERN_VERSION } from "./versions.ts";

/** The envelope of a modern request that the replica makes in its own name: by default with nothing declared. */
export function ownMeta(
  version: string | undefined = MODERN_VERSION,
  capabilities: object = {},
): Record<string, unknown> {
  return { [META_VERSION]: version, [META_CAPABILITIES]: capabilities, [META_CLIENT_INFO]: CLIENT_INFO };
}
