/** How many names there may be, and how many characters they may have together. */
export interface Most {
  names: number;
  characters: number;
}

/** The names that some want, each once, as far as there is room: of each some, so that nobody's many keep out another's few. */
export function inFairShares(wanted: Iterable<Iterable<string>>, most: Most): Set<string> {
  const taken = new Set<string>();
  let characters = 0;
  let rest = [...wanted].map((names) => names[Symbol.iterator]());
  while (rest.length > 0) {
    rest = rest.filter((next) => {
      const { done, value } = next.next();
      if (done || taken.size >= most.names) return false;
      if (taken.has(value) || characters + value.length > most.characters) return true;
      characters += value.length;
      taken.add(value);
      return true;
    });
  }
  return taken;
}
