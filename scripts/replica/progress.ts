/** Where progress is shown. */
export interface Screen {
  isTTY?: boolean;
  write(text: string): unknown;
}

/** Between two lines of progress, where they are not written over each other. */
const EVERY_MS = 2_000;

/** A line that tells how far something is. */
export interface ProgressLine {
  show(words: string): void;
  /** Ends the line, where one is open. */
  end(): void;
}

/** Shows words as they change: on a terminal in one line; elsewhere in a line of its own at first and then every two seconds. `now` gives epoch ms. */
export function progressLine(screen: Screen, now: () => number): ProgressLine {
  let shownAt = Number.NEGATIVE_INFINITY;
  let isOpen = false;
  return {
    show(words) {
      const at = now();
      if (!screen.isTTY && at - shownAt < EVERY_MS) return;
      shownAt = at;
      isOpen = screen.isTTY === true;
      // A shorter line leaves nothing of a longer one.
      screen.write(screen.isTTY ? `\r${words}\u001B[K` : `${words}\n`);
    },
    end() {
      if (isOpen) screen.write("\n");
      isOpen = false;
    },
  };
}

/** Shows how far a long work is: how much of it is done, how fast, and how long the rest will take. `now` gives epoch ms. */
export function startProgress(
  total: number,
  screen: Screen,
  now: () => number,
): { add(done: number): void; end(): void } {
  const begun = now();
  const line = progressLine(screen, now);
  let done = 0;
  return {
    add(more) {
      done += more;
      const rate = rateOf(done, now() - begun);
      line.show(`${done} of ${total}, ${rate.words}, ${leftOf(total - done, rate.perSecond)} left`);
    },
    end: () => line.end(),
  };
}

/** How fast something goes that has come so far in so many ms. */
export function rateOf(done: number, tookMs: number): { perSecond: number; words: string } {
  const perSecond = done / Math.max(0.001, tookMs / 1_000);
  return { perSecond, words: `${perSecond.toFixed(perSecond < 10 ? 1 : 0)}/s` };
}

/** How long the rest will take. */
export function leftOf(rest: number, perSecond: number): string {
  const seconds = Math.ceil(rest / perSecond);
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.ceil(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${Math.ceil(minutes / 60)} h`;
}
