import { authorization } from "./credentials";
import { RequestError, failureOf, lostConnection, ownFailure, type Failure } from "./errors";
import { events } from "./event_stream";
import { STAGES, type Stage, type StageProgress } from "./progress";
import type { Verdict } from "./types";

export const JOB_STATES = ["received", "queued", "running", "done", "failed", "cancelled", "expired"] as const;
export type ServerState = (typeof JOB_STATES)[number];

/** A job as the server tells of it; moments as ISO 8601. */
export interface ServerJob {
  id: string;
  state: ServerState;
  file: string; // empty once the job has expired
  created: string;
  verdict: Verdict | null;
  failure: Failure | null;
  progress: SaidProgress | null;
}

/** What the server says of where a job is: its stage, and how long it may still take. */
export interface SaidProgress {
  stage?: string | null;
  done?: number | null;
  remaining_s?: number | null; // seconds; servers of before do not say
}

export interface JobsPage {
  jobs: ServerJob[];
  next: string | null; // the job to go on behind, null where this was all
}

export interface JobFilter {
  state: ServerState | "";
  verdict: Verdict | "";
}

const ID = /^[0-9a-f]{32}$/;
const UNFINISHED: readonly ServerState[] = ["received", "queued", "running"];

/** Whether this may be the name of a job of the server's; jobs of this browser alone have dashes in theirs. */
export function isServerId(id: string): boolean {
  return ID.test(id);
}

export function isUnfinished(state: ServerState): boolean {
  return UNFINISHED.includes(state);
}

/**
 * Make a job of an upload that is complete; the same `key` at every attempt makes one job. Rejects with
 * {@link RequestError}, `upload_gone` for an upload that is no longer there.
 */
export async function handIn(upload: string, key: string): Promise<ServerJob> {
  const headers = { "Idempotency-Key": key };
  const answer = await ask(`/v1/jobs?upload=${upload}`, { method: "POST", headers }, "upload_gone");
  return (await answer.json()) as ServerJob;
}

/** A job as the server tells of it, with its result where it has one: JSON that may be large. */
export async function fetchJob(id: string, signal: AbortSignal): Promise<Blob> {
  return (await ask(`/v1/jobs/${id}`, { signal }, "job_gone")).blob();
}

/** Cancel a job, or remove every trace of one that has ended; one that is not there is no failure. */
export async function endJob(id: string): Promise<void> {
  try {
    await ask(`/v1/jobs/${id}`, { method: "DELETE" }, "job_gone");
  } catch (error) {
    if (!(error instanceof RequestError && error.failure.code === "job_gone")) throw error;
  }
}

/** Jobs of whoever uses the page, newest first, from behind the job `before` on. */
export async function listJobs(filter: JobFilter, before: string | null, limit: number): Promise<JobsPage> {
  const asked = new URLSearchParams({ limit: String(limit) });
  for (const name of ["state", "verdict"] as const) if (filter[name]) asked.set(name, filter[name]);
  if (before) asked.set("before", before);
  return (await (await ask(`/v1/jobs?${asked}`, {}, "not_found")).json()) as JobsPage;
}

/**
 * Tell where a job is until its stream ends; whether that was the job's own end. What breaks the stream is
 * for whoever asks for the job next to find out.
 */
export async function followJob(
  id: string,
  signal: AbortSignal,
  tell: (progress: StageProgress) => void,
): Promise<boolean> {
  try {
    const headers = { Accept: "text/event-stream" };
    const answer = await ask(`/v1/jobs/${id}/events`, { headers, signal }, "job_gone");
    if (!answer.body) return false;
    for await (const data of events(answer.body)) {
      const said = JSON.parse(data) as SaidProgress & { state: ServerState | null };
      if (said.state === null || !isUnfinished(said.state)) return true;
      tell(progressOf(said));
    }
  } catch {
    // see above
  }
  return false;
}

/** The same in the page's stages; what nobody works on yet is queued. */
export function progressOf(said: SaidProgress | null): StageProgress {
  const stage = said?.stage as Stage;
  if (!STAGES.includes(stage) || stage === "upload") return { stage: "queued", done: null };
  return { stage, done: said?.done ?? null, remaining: said?.remaining_s ?? null };
}

interface Asking {
  method?: string;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

/** Rejects with {@link RequestError}, whose code is `missing` where the server has nothing of this name. */
async function ask(path: string, request: Asking, missing: string): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(path, { cache: "no-store", ...request, headers: { ...authorization(), ...request.headers } });
  } catch (error) {
    if (request.signal?.aborted) throw error;
    throw new RequestError(lostConnection());
  }
  if (answer.ok) return answer;
  const failure = failureOf(answer.status, await answer.text(), "", answer.headers.get("Retry-After"));
  throw new RequestError(failure.code === "not_found" ? ownFailure(missing, failure.request_id, 404) : failure);
}
