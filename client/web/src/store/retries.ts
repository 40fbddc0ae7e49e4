import { RequestError, isRepeatable, type Failure } from "../api/errors";

/** A server that is busy or starting anew gets so many more tries, so many seconds apart. */
const PAUSES_S = [2, 5, 10, 20];

export type OnPause = (failure: Failure, seconds: number) => void;

/** Seconds until the next try after so many in vain: no sooner than the server has asked for. */
export function pauseOf(tries: number, failure: Failure): number {
  return Math.max(PAUSES_S[Math.min(tries, PAUSES_S.length - 1)]!, failure.retry_after ?? 0);
}

/**
 * Try again what may do better a little later. An attempt that gets further than any before calls `moved`, and
 * tries are counted anew: a large file may cross a bad line in as many pieces as it takes.
 */
export async function withRetries<T>(
  signal: AbortSignal,
  attempt: (moved: () => void) => Promise<T>,
  onPause: OnPause,
): Promise<T> {
  let tries = 0;
  for (;;) {
    try {
      return await attempt(() => (tries = 0));
    } catch (error) {
      if (!(error instanceof RequestError) || !isRepeatable(error.failure) || tries >= PAUSES_S.length) throw error;
      const seconds = pauseOf(tries++, error.failure);
      onPause(error.failure, seconds);
      await sleep(seconds * 1000, signal);
    }
  }
}

export async function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(new DOMException("cancelled", "AbortError"));
    });
  });
}
