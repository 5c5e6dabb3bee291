/** How many entries are kept of an origin. */
export interface KeptCount {
  /** False where counting has ended before they did: there are more. */
  isWhole: boolean;
  total: number;
  /** Of each method. */
  byMethod: Record<string, number>;
  /** Of each tool; of those stored by an earlier version it is not known. */
  byTool: Record<string, number>;
}
