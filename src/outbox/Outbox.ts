import { DurableObject } from "cloudflare:workers";

/** Sends the writes of an origin: durably, in order, at most once unless it is safe to send them twice. */
export class Outbox extends DurableObject<Cloudflare.Env> {}
