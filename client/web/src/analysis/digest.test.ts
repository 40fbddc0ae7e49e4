import { expect, test } from "vitest";
import { DELAYS, MAX_DELAY } from "../api/types";
import { digest, digestJob } from "./digest";

const WINDOWS = 60;

function answer(best: (window: number) => number): string {
  const delays = Array.from({ length: WINDOWS }, (_, window) =>
    Array.from({ length: DELAYS }, (_, delay) => (delay - MAX_DELAY === best(window) ? 8 : 0)),
  );
  return JSON.stringify({ verdict: "real", segments: [], delays, features: delays, delays_start: 0.4 });
}

test("a steady delay is found in every window, and in the mean", () => {
  const found = digest(answer(() => 3));
  expect(found.windows).toBe(WINDOWS);
  expect([...found.best]).toEqual(Array(WINDOWS).fill(3));
  expect(found.mean.indexOf(Math.max(...found.mean)) - MAX_DELAY).toBe(3);
  expect(found.start).toBe(0.4);
});

test("each window's delays, and their mean, are as likely as one together", () => {
  const found = digest(answer((window) => (window % 7) - 3));
  for (let window = 0; window < WINDOWS; window++) {
    const row = found.likely.subarray(window * DELAYS, (window + 1) * DELAYS);
    expect(row.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 5);
  }
  expect(found.mean.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 5);
});

test("the best delay follows a change within its smoothing", () => {
  const found = digest(answer((window) => (window < 30 ? -5 : 7)));
  expect(found.best[10]).toBe(-5);
  expect(found.best[50]).toBe(7);
  expect(found.sure.every((share) => share > 0.3 && share <= 1)).toBe(true);
});

test("the brightest row of the map is that of the best delay", () => {
  const { heat } = digest(answer(() => 10));
  const brightness = (row: number): number => heat![row * WINDOWS * 4 + 1]!; // green rises with the scale
  const rows = Array.from({ length: DELAYS }, (_, row) => brightness(row));
  expect(MAX_DELAY - rows.indexOf(Math.max(...rows))).toBe(10);
});

test("an answer without delays is drawn without them, and none is refused", () => {
  const bare = digest(JSON.stringify({ verdict: "inconclusive", segments: [] }));
  expect([bare.windows, bare.heat, bare.features]).toEqual([0, null, null]);
  expect(() => digest("[]")).toThrow(SyntaxError);
  expect(() => digest("<html>")).toThrow(SyntaxError);
});

test("a job is read with its answer, which can be read by itself", () => {
  const job = { id: "a", state: "done", file: "a.mp4" };
  const read = digestJob(JSON.stringify({ ...job, result: JSON.parse(answer(() => 3)) }));
  expect(read.job).toEqual(job);
  expect(read.digest?.best[0]).toBe(3);
  expect(digest(read.answer!)).toEqual(read.digest);
  const open = { ...job, state: "running" };
  expect(digestJob(JSON.stringify(open))).toEqual({ job: open, digest: null, answer: null });
  expect(() => digestJob("{}")).toThrow(SyntaxError);
});
