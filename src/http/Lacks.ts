/** What the operator has yet to provide besides the configuration. */
export interface Lacks {
  /** The names of secrets and bindings that the configuration needs and that are not there: somebody is refused for that. Sorted. */
  missing: string[];
  /** What the replica does without meanwhile, a sentence each. */
  warnings: string[];
}
