/** Takes down what is wrong, at a place below the one that is looked at. */
export type Report = (place: readonly string[], found: string, expected: string) => void;

/** The same, of what lies further below. */
export function below(report: Report, ...at: string[]): Report {
  return (place, found, expected) => report([...at, ...place], found, expected);
}

/** Nothing is taken down: of what has been found sound before. */
export const NO_REPORT: Report = () => {};
