import { computed, signal } from "@preact/signals";
import type { StageProgress } from "../api/progress";
import type { DetectOptions } from "../api/types";
import { dropUpload } from "../api/upload";
import { database, type Job } from "./database";

/** How far the work on a job is, while a tab of this browser is at it. */
export interface JobProgress extends StageProgress {
  retry?: { code: string; status: number; seconds: number }; // what went wrong, and when it is tried again
}

/** Files of judged videos are kept up to here, the newest first; what was found in them is always kept. */
const KEPT_BYTES = 1.5e9;

type News = { kind: "jobs" } | { kind: "progress"; id: string; progress: JobProgress | null };

/** All jobs of this browser, newest first. */
export const jobs = signal<Job[]>([]);
export const progressOf = signal<Record<string, JobProgress>>({});
export const loaded = signal(false);
export const waiting = computed(() => jobs.value.filter(({ state }) => state === "waiting"));
export const judged = computed(() => jobs.value.filter(({ state }) => state === "done"));
/** Those that the server works on, which goes on whether a tab is open or not. */
export const handedIn = computed(() => jobs.value.filter(({ state, server }) => state === "running" && server));

const channel = new BroadcastChannel("outofsync");
channel.onmessage = ({ data }: MessageEvent<News>) => {
  if (data.kind === "jobs") void reload();
  else setProgress(data.id, data.progress);
};

let changes = 0; // of this tab's own

/** Read the jobs anew; what is added or removed here meanwhile is not lost by that. */
export async function reload(): Promise<void> {
  let found: Job[];
  let before: number;
  do {
    before = changes;
    found = await database.jobs();
  } while (before !== changes);
  jobs.value = found.sort((one, other) => other.added - one.added);
  loaded.value = true;
}

/** Change or add a job, here and in every other tab. */
export async function save(job: Job): Promise<void> {
  changes += 1;
  const others = jobs.value.filter(({ id }) => id !== job.id);
  jobs.value = [job, ...others].sort((one, other) => other.added - one.added);
  await database.put("jobs", job.id, job);
  channel.postMessage({ kind: "jobs" } satisfies News);
}

type Droppable = "failure" | "upload" | "key" | "server";

/** Change what is known of a job, and drop some of it. */
export async function update(id: string, change: Partial<Job>, ...dropped: Droppable[]): Promise<void> {
  const job = find(id);
  if (!job) return;
  const changed = { ...job, ...change };
  for (const name of dropped) delete changed[name];
  await save(changed);
}

export function find(id: string): Job | undefined {
  return jobs.value.find((one) => one.id === id);
}

/**
 * The upload that another entry has left of the same file with the same options, where a browser has kept
 * that and not the file: who chooses the file again need not send all of it again.
 */
export function leftUpload(job: Job, all: Job[]): Job | undefined {
  const same = (other: Job): boolean =>
    other.name === job.name &&
    other.bytes === job.bytes &&
    other.modified === job.modified &&
    JSON.stringify(other.options) === JSON.stringify(job.options);
  return all.find((other) => other.id !== job.id && other.upload && other.state === "failed" && same(other));
}

export async function remove(ids: string[]): Promise<void> {
  changes += 1;
  for (const { id, upload } of jobs.value) if (upload && ids.includes(id)) void dropUpload(upload);
  jobs.value = jobs.value.filter(({ id }) => !ids.includes(id));
  for (const id of ids) await database.delete(id);
  channel.postMessage({ kind: "jobs" } satisfies News);
}

export function tellProgress(id: string, progress: JobProgress | null): void {
  setProgress(id, progress);
  channel.postMessage({ kind: "progress", id, progress } satisfies News);
}

function setProgress(id: string, progress: JobProgress | null): void {
  const { [id]: _, ...others } = progressOf.value;
  progressOf.value = progress ? { ...others, [id]: progress } : others;
}

/** Keep a file to be judged; the id of its job. */
export async function add(file: File, options: DetectOptions, added = Date.now()): Promise<string> {
  const id = crypto.randomUUID();
  await database.put("files", id, file);
  const modified = file.lastModified;
  await save({ id, name: file.name, bytes: file.size, added, state: "waiting", options, modified });
  return id;
}

/** Let go of the oldest files of judged videos once they fill too much. */
export async function makeRoom(): Promise<void> {
  let held = 0;
  for (const job of jobs.value) {
    held += job.bytes;
    if (held > KEPT_BYTES && job.state === "done") await database.forget("files", job.id);
  }
}
