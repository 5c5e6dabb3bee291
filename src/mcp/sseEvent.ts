/** A JSON-RPC message as a server-sent event (WHATWG HTML, 9.2.6). A line break in it would end the line, so each has its own. */
export function sseEvent(message: string): string {
  return `event: message\ndata: ${message.replaceAll(/\r\n?|\n/g, "\ndata: ")}\n\n`;
}
