import type { JobFilter, JobsPage, ServerJob } from "../api/jobs";
import type { Job } from "./database";

/** One video of the past: kept by this browser, by the server, or by both. */
export interface Entry {
  id: string; // under which its result opens
  name: string; // empty where nobody knows it any more
  at: number; // milliseconds since 1970
  here: Job | null;
  there: ServerJob | null;
}

/**
 * Both lists as one, newest first and nothing twice. While the server has more to tell, what this browser
 * keeps of an older day waits for its turn.
 */
export function merge(kept: Job[], { jobs, next }: JobsPage, { state, verdict }: JobFilter): Entry[] {
  const held = new Map(kept.map((job) => [job.server, job]));
  const told = new Set<string | undefined>(jobs.map(({ id }) => id));
  const oldest = next ? Math.min(...jobs.map(({ created }) => Date.parse(created))) : -Infinity;
  const there = jobs.map((job): Entry => {
    const here = held.get(job.id) ?? null;
    return { id: here?.id ?? job.id, name: here?.name ?? job.file, at: Date.parse(job.created), here, there: job };
  });
  const here = kept
    .filter((job) => !told.has(job.server) && job.added >= oldest)
    .filter((job) => (!state || state === "done") && (!verdict || verdict === job.summary?.verdict))
    .map((job): Entry => ({ id: job.id, name: job.name, at: job.added, here: job, there: null }));
  return [...there, ...here].sort((one, other) => other.at - one.at);
}
