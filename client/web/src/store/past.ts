/** What the server keeps of whoever uses the page, beside what this browser keeps itself. */
import { signal } from "@preact/signals";
import { config } from "../api/config";
import { hasCredentials, refuseKey } from "../api/credentials";
import { RequestError, ownFailure, type Failure } from "../api/errors";
import { endJob, listJobs, type JobFilter, type JobsPage } from "../api/jobs";
import type { Entry } from "./entries";
import { remove } from "./jobs";

const AT_A_TIME = 24;

const NOTHING: JobsPage = { jobs: [], next: null };

export const past = signal(NOTHING);
/** Names of videos by their jobs, of which a result was opened that this browser does not keep. */
export const opened = signal<Record<string, string>>({});
export const filter = signal<JobFilter>({ state: "", verdict: "" });
export const reading = signal(false);
export const failure = signal<Failure | null>(null);

let asked = 0; // answers to what was asked before are late

/** Read the server's list anew, or go on with it; nothing is asked, or shown, without a key that is needed. */
export async function readPast(more = false): Promise<void> {
  if (!config.jobs) return;
  if (!hasCredentials()) {
    past.value = NOTHING; // of a key that was given up
    return;
  }
  const number = ++asked;
  const before = more ? past.value.next : null;
  reading.value = true;
  try {
    const found = await listJobs(filter.value, before, AT_A_TIME);
    if (number !== asked) return;
    past.value = more ? { jobs: [...past.value.jobs, ...found.jobs], next: found.next } : found;
    failure.value = null;
  } catch (error) {
    if (number === asked) note(error);
  } finally {
    if (number === asked) reading.value = false;
  }
}

/** Let the server forget a video, and this browser, too, or this browser alone. */
export async function forget({ here, there }: Entry, where: "everywhere" | "here"): Promise<void> {
  try {
    const server = there?.id ?? here?.server;
    if (server && where === "everywhere") {
      await endJob(server);
      past.value = { ...past.value, jobs: past.value.jobs.filter(({ id }) => id !== server) };
    }
    if (here) await remove([here.id]);
  } catch (error) {
    note(error);
  }
}

function note(error: unknown): void {
  const found = error instanceof RequestError ? error.failure : ownFailure("unexpected_answer", "", 0, String(error));
  if (found.code === "authentication" && config.key_required) refuseKey();
  else failure.value = found;
}
