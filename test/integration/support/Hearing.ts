import { createHash } from "node:crypto";
import { type ClientRequest, type IncomingMessage, request } from "node:http";
import type { Request } from "./callers.ts";

/** A response that is listened to as it comes. */
export class Hearing {
  readonly status: number;
  readonly headers: Record<string, string | undefined>;
  /** What has come so far. */
  text = "";
  bytes = 0;
  readonly #sum = createHash("sha1");
  readonly #sent: ClientRequest;
  readonly #response: IncomingMessage;
  #over: "ended" | "broken" | undefined;
  #wake: (() => void)[] = [];

  private constructor(sent: ClientRequest, response: IncomingMessage, keeps: boolean) {
    this.#sent = sent;
    this.#response = response;
    this.status = response.statusCode!;
    this.headers = response.headers as Record<string, string | undefined>;
    const over = (how: "ended" | "broken") => {
      this.#over ??= how;
      this.#tell();
    };
    response.on("error", () => over("broken"));
    response.on("end", () => over("ended"));
    response.on("close", () => over("broken"));
    const decoder = new TextDecoder();
    response.on("data", (part: Buffer) => {
      this.bytes += part.length;
      if (keeps) this.text += decoder.decode(part, { stream: true });
      else this.#sum.update(part);
      this.#tell();
    });
  }

  /** Sends the request, and resolves when the head of the response is there. `reads: false` takes nothing of the body yet; `keeps: false` only sums it up; `signal` makes the caller leave. */
  static open(
    { url, headers, body }: Request,
    { reads = true, keeps = true, signal }: { reads?: boolean; keeps?: boolean; signal?: AbortSignal } = {},
  ): Promise<Hearing> {
    return new Promise((resolve, reject) => {
      const sent = request(url, { method: "POST", agent: false, headers }, (response) => {
        const hearing = new Hearing(sent, response, keeps);
        if (!reads) response.pause();
        resolve(hearing);
      });
      sent.once("error", reject);
      signal?.addEventListener("abort", () => sent.socket?.resetAndDestroy());
      sent.end(body);
    });
  }

  /** Resolves when that has come. */
  async until(what: string): Promise<void> {
    while (!this.text.includes(what)) {
      if (this.#over) throw new Error(`The response is over without ${what}: ${this.text.slice(-500)}`);
      await this.#more();
    }
  }

  /** Reads to the end. */
  async rest(): Promise<string> {
    this.#response.resume();
    while (!this.#over) await this.#more();
    if (this.#over === "broken") throw new Error(`The response broke off: ${this.text.slice(-500)}`);
    return this.text;
  }

  /** The SHA-1 of what was not kept. */
  sum(): string {
    return this.#sum.digest("hex");
  }

  /** The messages of the events so far. */
  get messages(): any[] {
    return [...this.text.matchAll(/^data: ?(.*)$/gm)].filter(([, data]) => data).map(([, data]) => JSON.parse(data!));
  }

  /** Goes away in the middle of it. With a reset, for the runtime does not take a half-closed connection for a caller who has left. */
  leave(): void {
    this.#sent.socket?.resetAndDestroy();
  }

  #more(): Promise<void> {
    return new Promise((resolve) => this.#wake.push(resolve));
  }

  #tell(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }
}
