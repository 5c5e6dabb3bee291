/** A red pixel, as PNG in base64. */
export const PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==";

/** Eight samples of silence, as WAV in base64. */
export const SILENCE = "UklGRiwAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQgAAACAgICAgICAgA==";

/** A text block. */
export function text(words: string): { type: "text"; text: string } {
  return { type: "text", text: words };
}

/** A tool result with one text block. */
export function says(words: string): { content: { type: "text"; text: string }[] } {
  return { content: [text(words)] };
}
