import { expect, test } from "vitest";
import type { Result, Segment } from "../api/types";
import { boxAt, durationOf, moments, probabilitySteps, suspiciousSpans } from "./moments";

function segment(start: number, end: number, probability: number | null, score = 1): Segment {
  return { start, end, track: 0, score, probability_fake: probability, peak_delay: 0 };
}

function result(segments: Segment[]): Result {
  return { segments, tracks: [], media: { duration_s: 9 } } as unknown as Result;
}

test("suspicious stretches that touch are one", () => {
  const spans = suspiciousSpans(result([segment(4, 6, 0.9), segment(0, 2, 0.1), segment(2, 4.5, 0.8), segment(7, 8, 0.5)]));
  expect(spans).toEqual([
    { start: 2, end: 6 },
    { start: 7, end: 8 },
  ]);
});

test("the line of probabilities takes the worse of two that overlap, and breaks where nothing was scored", () => {
  const { times, values } = probabilitySteps(result([segment(0, 2, 0.2), segment(1, 3, 0.7), segment(5, 6, 0.4)]));
  const at = (time: number): number | null => values[times.findLastIndex((one) => one <= time)]!;
  expect([at(0.5), at(1.5), at(2.5), at(4), at(5.5)]).toEqual([0.2, 0.7, 0.7, null, 0.4]);
  expect(times.every((time, place) => place === 0 || time > times[place - 1]!)).toBe(true);
});

test("the most suspicious moments are shown in order of time", () => {
  const many = Array.from({ length: 20 }, (_, place) => segment(place, place + 1, place / 20));
  const chosen = moments(result(many.toReversed()));
  expect(chosen.map(({ segment: { start } }) => start)).toEqual([14, 15, 16, 17, 18, 19]);
});

test("a box is that of the frame shown, the mean where frames were not sent, and none out of view", () => {
  const track = { id: 0, start: 1, end: 1.08, speaking: true, box: [0, 0, 9, 9] as [number, number, number, number] };
  const boxes: (typeof track.box)[] = [
    [1, 1, 2, 2],
    [2, 2, 3, 3],
    [3, 3, 4, 4],
  ];
  expect(boxAt({ ...track, boxes }, 1.041)).toEqual([2, 2, 3, 3]);
  expect(boxAt({ ...track, boxes }, 1.08)).toEqual([3, 3, 4, 4]);
  expect(boxAt(track, 1.05)).toEqual([0, 0, 9, 9]);
  expect(boxAt(track, 2)).toBeNull();
});

test("a video lasts as long as anything in it", () => {
  expect(durationOf(result([segment(0, 12, 0.1)]))).toBe(12);
  expect(durationOf(result([]))).toBe(9);
});
