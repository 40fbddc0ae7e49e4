import { beforeEach, expect, test, vi } from "vitest";
import type { Job } from "./database";

/** A database that answers when it is told to. */
const slow = vi.hoisted(() => ({ kept: new Map<string, Job>(), answer: [] as (() => void)[] }));
vi.mock("./database", () => ({
  database: {
    jobs: () => {
      const read = [...slow.kept.values()];
      return new Promise<Job[]>((resolve) => slow.answer.push(() => resolve(read)));
    },
    put: async (_: string, id: string, job: Job) => void slow.kept.set(id, job),
    delete: async (id: string) => void slow.kept.delete(id),
  },
}));
vi.mock("../api/upload", () => ({ dropUpload: async () => {} }));
const { jobs, reload, remove, save } = await import("./jobs");

function job(id: string): Job {
  return { id, name: id, bytes: 1, added: 0, state: "waiting", options: { deblur: "auto", mode: "full" } };
}

function answerAll(): Promise<void> {
  return new Promise((resolve) => {
    const timer = setInterval(() => slow.answer.splice(0).forEach((answer) => answer()), 1);
    setTimeout(() => resolve(clearInterval(timer)), 50);
  });
}

beforeEach(() => {
  slow.kept.clear();
  jobs.value = [];
});

test("what is handed in while the jobs are read stays in the list", async () => {
  const reading = reload();
  await save(job("new"));
  await Promise.all([reading, answerAll()]);
  expect(jobs.value.map(({ id }) => id)).toEqual(["new"]);
});

test("what is removed while the jobs are read stays removed", async () => {
  slow.kept.set("old", job("old"));
  const reading = reload();
  await remove(["old"]);
  await Promise.all([reading, answerAll()]);
  expect(jobs.value).toEqual([]);
});
