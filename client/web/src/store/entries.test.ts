import { expect, test } from "vitest";
import type { JobFilter, ServerJob } from "../api/jobs";
import type { Verdict } from "../api/types";
import type { Job } from "./database";
import { merge } from "./entries";

const ALL: JobFilter = { state: "", verdict: "" };

function kept(id: string, second: number, server?: string, verdict: Verdict = "real"): Job {
  const summary = { verdict, probability: 0.1, duration: 4, thumbnail: null };
  const options = { deblur: "auto", mode: "full" } as const;
  return { id, name: `${id}.mp4`, bytes: 1, added: 1000 * second, state: "done", options, summary, ...(server && { server }) };
}

function told(id: string, second: number): ServerJob {
  const created = new Date(1000 * second).toISOString();
  return { id, state: "done", file: `${id}.mp4`, created, verdict: "fake", failure: null, progress: null };
}

test("what both keep is shown once, under the id of this browser", () => {
  const entries = merge([kept("here", 9, "a")], { jobs: [told("a", 10), told("b", 8)], next: null }, ALL);
  expect(entries.map(({ id }) => id)).toEqual(["here", "b"]);
  expect(entries[0]).toMatchObject({ name: "here.mp4", there: { id: "a" } });
  expect(entries[1]).toMatchObject({ name: "b.mp4", here: null });
});

test("the newest comes first, wherever it is kept", () => {
  const entries = merge([kept("one", 5), kept("two", 20)], { jobs: [told("a", 10), told("b", 1)], next: null }, ALL);
  expect(entries.map(({ id }) => id)).toEqual(["two", "a", "one", "b"]);
});

test("what is older than all that the server has told waits for the rest", () => {
  const own = [kept("new", 20), kept("old", 5), kept("older", 4, "z")];
  const entries = merge(own, { jobs: [told("a", 10)], next: "a" }, ALL);
  expect(entries.map(({ id }) => id)).toEqual(["new", "a"]);
  const all = merge(own, { jobs: [told("a", 10), told("z", 4)], next: null }, ALL);
  expect(all.map(({ id }) => id)).toEqual(["new", "a", "old", "older"]);
});

test("what this browser keeps is filtered as the server filters", () => {
  const own = [kept("real", 2), kept("fake", 1, undefined, "fake")];
  const none = { jobs: [], next: null };
  expect(merge(own, none, { state: "", verdict: "fake" }).map(({ id }) => id)).toEqual(["fake"]);
  expect(merge(own, none, { state: "done", verdict: "" })).toHaveLength(2);
  expect(merge(own, none, { state: "failed", verdict: "" })).toEqual([]);
});

test("what the server has forgotten stays here", () => {
  const [entry] = merge([kept("here", 9, "a")], { jobs: [], next: null }, ALL);
  expect(entry).toMatchObject({ id: "here", there: null });
});
