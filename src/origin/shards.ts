import type { OriginSettings } from "../config/replica.ts";

/** The most objects that share an origin's keys. Each may have as many calls open at once as a Worker may have connections. */
const MAX_SHARDS = 4;

/** The name of the Coalescer object for a key (hex). */
export function coalescerName(origin: OriginSettings, key: string): string {
  return nameOf(origin, shardOf(origin, key));
}

/** The names of all of an origin's Coalescer objects. */
export function coalescerNames(origin: OriginSettings): string[] {
  return Array.from({ length: shardsOf(origin) }, (_, shard) => nameOf(origin, shard));
}

/** How many calls the object for a key may have at the origin at once: all objects together have `concurrency`. */
export function roomIn(origin: OriginSettings, key: string): number {
  const shards = shardsOf(origin);
  return Math.floor(origin.concurrency / shards) + (shardOf(origin, key) < origin.concurrency % shards ? 1 : 0);
}

function shardsOf({ concurrency }: OriginSettings): number {
  return Math.min(MAX_SHARDS, concurrency);
}

function shardOf(origin: OriginSettings, key: string): number {
  return Number.parseInt(key[0]!, 16) % shardsOf(origin);
}

function nameOf({ id }: OriginSettings, shard: number): string {
  return `${id}:${shard}`;
}
