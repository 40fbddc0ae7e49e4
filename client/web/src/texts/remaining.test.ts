import { expect, test, vi } from "vitest";

const { language } = vi.hoisted(() => ({ language: { value: "en" } }));
vi.mock("../store/settings", () => ({ language }));
const { errorWords, remainingWords } = await import("./index");

test.each([
  [0, "a few seconds left"],
  [7.4, "a few seconds left"],
  [41.2, "about 40 s left"],
  [57, "about 55 s left"],
  [60, "about a minute left"],
  [95, "about 2 min left"],
  [3540, "about 59 min left"],
  [5400, "about 1.5 h left"],
])("%d seconds are %s", (seconds, words) => {
  expect(remainingWords(seconds)).toBe(words);
});

test("a status says more where there are words for it", () => {
  expect(errorWords("busy", 429)).not.toBe(errorWords("busy", 503));
  expect(errorWords("busy", 503)).toBe(errorWords("busy", 0));
});
