/** What is known of the eras that an origin speaks. */
export interface SpokenEras {
  modern?: boolean;
  legacy?: "none" | "stateless" | "sessions";
  /** The newest of the earlier revisions that it agrees to. */
  version?: string;
}
