import type { McpServer } from "@modelcontextprotocol/server";
import { PIXEL, says, SILENCE, text } from "../samples.ts";

const READS = { readOnlyHint: true };

/** Adds the tools that return one kind of content each, all of them, or an error. */
export function addContentTools(server: McpServer): void {
  const image = { type: "image" as const, data: PIXEL, mimeType: "image/png" };
  server.registerTool("test_simple_text", { description: "Returns a text.", annotations: READS }, () =>
    says("This is a simple text response for testing."),
  );
  server.registerTool("test_image_content", { description: "Returns an image.", annotations: READS }, () => ({
    content: [image],
  }));
  server.registerTool("test_audio_content", { description: "Returns a sound.", annotations: READS }, () => ({
    content: [{ type: "audio" as const, data: SILENCE, mimeType: "audio/wav" }],
  }));
  server.registerTool("test_embedded_resource", { description: "Returns a resource.", annotations: READS }, () => ({
    content: [
      {
        type: "resource" as const,
        resource: {
          uri: "test://embedded-resource",
          mimeType: "text/plain",
          text: "This is an embedded resource content.",
        },
      },
    ],
  }));
  server.registerTool(
    "test_multiple_content_types",
    { description: "Returns a text, an image and a resource.", annotations: READS },
    () => ({
      content: [
        text("Multiple content types test:"),
        image,
        {
          type: "resource" as const,
          resource: {
            uri: "test://mixed-content-resource",
            mimeType: "application/json",
            text: JSON.stringify({ test: "data", value: 123 }),
          },
        },
      ],
    }),
  );
  server.registerTool("test_error_handling", { description: "Always fails." }, () => {
    throw new Error("This tool intentionally returns an error for testing");
  });
}
