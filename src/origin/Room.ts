/** How many bytes more may be held by all who read at the same time. */
export interface Room {
  left: number;
}
