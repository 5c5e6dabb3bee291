import { DurableObject } from "cloudflare:workers";

interface Env {
  KV: KVNamespace;
  ECHO: DurableObjectNamespace<Echo>;
  ORIGIN: string;
}

/** An object that gives back what it gets. */
export class Echo extends DurableObject {
  echo(text: string): string {
    return text;
  }
}

// What a miss is made of, step by step and without the replica: what the local runtime takes for each.
export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const text = await request.text();
    switch (new URL(request.url).pathname) {
      case "/kv":
        await env.KV.get(`missing/${text.length}`, { type: "text", cacheTtl: 30 });
        break;
      case "/object":
        await env.ECHO.get(env.ECHO.idFromName("echo")).echo(text);
        break;
      case "/origin": {
        const { method, headers } = request;
        const response = await fetch(env.ORIGIN, { method, headers, body: text });
        return new Response(await response.text(), { headers: { "content-type": "application/json" } });
      }
    }
    return new Response("{}", { headers: { "content-type": "application/json" } });
  },
};
