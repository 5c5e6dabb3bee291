import { DurableObject } from "cloudflare:workers";

/** Keeps one collection in step with its origin: pulls it into D1, asks for single rows again, and counts how its answers compare. */
export class MirrorSync extends DurableObject<Cloudflare.Env> {}
