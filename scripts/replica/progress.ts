/** Where progress is shown. */
export interface Screen {
  isTTY?: boolean;
  write(text: string): unknown;
}

/** Between two lines of progress, where they are not written over each other. */
const EVERY_MS = 2_000;

/**
 * Shows how far a long work is: how much of it is done, how fast, and how long the rest will take. On a terminal in one
 * line; elsewhere in a line of its own after the first step, and then every two seconds. `now` gives epoch ms.
 */
export function startProgress(
  total: number,
  screen: Screen,
  now: () => number,
): { add(done: number): void; end(): void } {
  const begun = now();
  let done = 0;
  let shownAt = Number.NEGATIVE_INFINITY;
  return {
    add(more) {
      done += more;
      const at = now();
      if (!screen.isTTY && at - shownAt < EVERY_MS) return;
      shownAt = at;
      const words = wordsFor(done, total, at - begun);
      // A shorter line leaves nothing of a longer one.
      screen.write(screen.isTTY ? `\r${words}\u001B[K` : `${words}\n`);
    },
    end() {
      if (screen.isTTY && done > 0) screen.write("\n");
    },
  };
}

function wordsFor(done: number, total: number, tookMs: number): string {
  const perSecond = done / Math.max(0.001, tookMs / 1_000);
  const left = Math.ceil((total - done) / perSecond);
  return `${done} of ${total}, ${perSecond.toFixed(perSecond < 10 ? 1 : 0)}/s, ${spoken(left)} left`;
}

function spoken(seconds: number): string {
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.ceil(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${Math.ceil(minutes / 60)} h`;
}
