import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { RequestError, ownFailure } from "../api/errors";
import { pauseOf, withRetries } from "./retries";

const BUSY = ownFailure("busy");
const pauses: number[] = [];

beforeEach(() => {
  vi.useFakeTimers();
  pauses.length = 0;
});
afterEach(() => void vi.useRealTimers());

async function tried<T>(attempt: (moved: () => void) => Promise<T>): Promise<T> {
  const work = withRetries(new AbortController().signal, attempt, (_, seconds) => pauses.push(seconds));
  work.catch(() => {});
  await vi.runAllTimersAsync();
  return work;
}

test("what may pass is tried five times in all", async () => {
  const attempt = vi.fn(() => Promise.reject(new RequestError(BUSY)));
  await expect(tried(attempt)).rejects.toThrow(RequestError);
  expect(attempt).toHaveBeenCalledTimes(5);
  expect(pauses).toEqual([2, 5, 10, 20]);
});

test("what would fail again is not tried again", async () => {
  const attempt = vi.fn(() => Promise.reject(new RequestError(ownFailure("corrupt_media"))));
  await expect(tried(attempt)).rejects.toThrow(RequestError);
  expect(attempt).toHaveBeenCalledTimes(1);
});

test("an upload that gets on is not given up", async () => {
  let number = 0;
  const attempt = async (moved: () => void): Promise<number> => {
    number += 1;
    moved();
    if (number <= 9) throw new RequestError(ownFailure("connection_lost"));
    return number;
  };
  expect(await tried(attempt)).toBe(10);
  expect(new Set(pauses)).toEqual(new Set([2]));
});

test("the server says when to come back", () => {
  expect(pauseOf(0, { ...BUSY, retry_after: 30 })).toBe(30);
  expect(pauseOf(3, { ...BUSY, retry_after: 1 })).toBe(20);
  expect(pauseOf(99, BUSY)).toBe(20);
});

test("a pause ends when it is cancelled", async () => {
  const controller = new AbortController();
  const work = withRetries(controller.signal, () => Promise.reject(new RequestError(BUSY)), () => controller.abort());
  await Promise.all([expect(work).rejects.toThrow("aborted"), vi.runAllTimersAsync()]);
});
