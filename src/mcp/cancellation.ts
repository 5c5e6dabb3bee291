/** The notification with which a client gives up a request (basic/utilities/cancellation). */
export function cancellation(requestId: string | number): string {
  const params = { requestId, reason: "Nobody waits for it any more" };
  return JSON.stringify({ jsonrpc: "2.0", method: "notifications/cancelled", params });
}
