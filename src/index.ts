import { DurableObject } from "cloudflare:workers";
export class Coalescer extends DurableObject {}
export default { fetch: () => new Response("") } satisfies ExportedHandler;
