const AT_ONCE = 4;

/** What becomes of each, in their order; at most four are under way at any time. */
export async function fourAtOnce<T, R>(all: readonly T[], work: (one: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  let at = 0;
  const next = async (): Promise<void> => {
    while (at < all.length) {
      const place = at++;
      results[place] = await work(all[place]!);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, next));
  return results;
}
