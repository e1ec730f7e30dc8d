/**
 * Owns one promise about readings that many may ask for at once: everyone gets a reading that began after they asked, and no matter how many ask,
 * one is under way and one waits. Open health routes must not be a way to flood Redis, and an answer must never be older than its question.
 */

/** Shares the readings of `read` among callers. */
export function freshly<T>(read: () => Promise<T>): () => Promise<T> {
  let current: Promise<T> | undefined;
  let next: Promise<T> | undefined;
  const start = (): Promise<T> => {
    const started: Promise<T> = read().finally(() => {
      if (current === started) current = undefined;
    });
    current = started;
    return started;
  };
  return () => {
    if (current === undefined) return start();
    next ??= current
      .catch(() => undefined)
      .then(() => {
        next = undefined;
        return start();
      });
    return next;
  };
}
