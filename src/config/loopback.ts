/** Whether a host name, without its port, is this machine's own. */
export function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || hostname === "127.0.0.1";
}
