/** What becomes of each, in their order; no more than `most` are under way at any time. */
export async function fewAtOnce<T, R>(all: readonly T[], most: number, work: (one: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  let at = 0;
  const next = async (): Promise<void> => {
    while (at < all.length) {
      const place = at++;
      results[place] = await work(all[place]!);
    }
  };
  await Promise.all(Array.from({ length: most }, next));
  return results;
}
