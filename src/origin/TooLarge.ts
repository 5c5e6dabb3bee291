/** An event has grown larger than may be held. */
export class TooLarge extends Error {}
