import { effect } from "@preact/signals";
import { readAnswer } from "../analysis/reader";
import { durationOf } from "../analysis/moments";
import type { Digest } from "../analysis/digest";
import { config } from "../api/config";
import { hasCredentials, refuseKey } from "../api/credentials";
import { detect } from "../api/detect";
import { RequestError, ownFailure } from "../api/errors";
import { endJob } from "../api/jobs";
import { follow } from "../api/progress";
import { dropUpload } from "../api/upload";
import { checkFile } from "../checks/file";
import { database, type Job, type Summary } from "./database";
import { failureOfJob, handInFile, watchJob } from "./handing_in";
import { add, find, handedIn, jobs, makeRoom, reload, remove, save, tellProgress, update, waiting } from "./jobs";
import { withRetries } from "./retries";
import { options } from "./settings";

/** Requests, or uploads, at a time: the server judges those that come together in one batch. */
const AT_ONCE = 2;
/** Jobs watched at a time: each holds a connection, of which HTTP/1.1 has six for all that the page does. */
const WATCHED_AT_ONCE = 3;
const LOCK = "outofsync-queue";

const cancels = new Map<string, AbortController>();
const cancelChannel = new BroadcastChannel("outofsync-cancel");
cancelChannel.onmessage = ({ data }: MessageEvent<string>) => cancels.get(data)?.abort();

/** Hand in files. Those that cannot be judged are listed with the reason, and never sent. */
export async function submit(files: Iterable<File>): Promise<string[]> {
  const ids: string[] = [];
  let added = Date.now();
  for (const file of files) {
    const failure = await checkFile(file);
    if (failure) {
      const id = crypto.randomUUID();
      await save({ id, name: file.name, bytes: file.size, added, state: "failed", options: options.value, failure });
      ids.push(id);
    } else {
      ids.push(await add(file, options.value, added));
    }
    added += 1; // so that a list keeps their order
  }
  return ids;
}

/** Cancel a job. One that the server works on is cancelled there first: where that fails, it is watched still. */
export async function cancel(id: string): Promise<void> {
  const job = find(id);
  try {
    if (job?.server) await endJob(job.server);
  } catch (error) {
    if (isRefusedKey(error)) refuseKey();
    return;
  }
  cancels.get(id)?.abort();
  cancelChannel.postMessage(id);
  if (job?.upload) void dropUpload(job.upload);
  await update(id, { state: "cancelled" }, "upload");
}

/** Remove a job that came to nothing, here and at the server. */
export async function discard({ id, server }: Job): Promise<void> {
  await remove([id]);
  if (server) await endJob(server).catch(() => {}); // it ends by itself, a little later
}

export async function again(id: string): Promise<void> {
  await update(id, { state: "waiting" }, "failure", "server", "key");
}

/** Work through the queue for as long as the page is open. One tab at a time does; others show how it goes. */
export async function workThroughQueue(): Promise<void> {
  await reload();
  if (navigator.locks) await navigator.locks.request(LOCK, work);
  else await work();
}

async function work(): Promise<never> {
  await reload();
  for (const { id, state, server } of jobs.value) {
    if (state === "running" && !server) await update(id, { state: "waiting" }); // the tab that was at it is gone
  }
  const sent = workOff(AT_ONCE, () => waiting.value, judge);
  workOff(WATCHED_AT_ONCE, () => handedIn.value.filter(({ id }) => !sent.has(id)), watch);
  return new Promise(() => {});
}

/** Do the same with each job there is, the oldest first and so many at a time; the ids of those under way. */
function workOff(atOnce: number, candidates: () => Job[], task: (job: Job) => Promise<void>): Set<string> {
  const underWay = new Set<string>();
  effect(() => {
    if (!hasCredentials()) return;
    for (const job of [...candidates()].reverse()) {
      if (underWay.size >= atOnce) return;
      if (underWay.has(job.id)) continue;
      underWay.add(job.id);
      void task(job).finally(() => {
        underWay.delete(job.id);
        jobs.value = [...jobs.value]; // look for the next
      });
    }
  });
  return underWay;
}

/** Send a video: for its answer, or to be a job, which is watched then. */
async function judge(job: Job): Promise<void> {
  await update(job.id, { state: "running" });
  await cancellable(job, async (signal) => {
    const file = await database.get("files", job.id);
    if (!file) throw new RequestError(ownFailure("file_gone"));
    if (config.jobs) return handInFile(job, file, signal);
    const answer = await withRetries(
      signal,
      () => send(job, file, signal),
      ({ code, status }, seconds) =>
        tellProgress(job.id, { stage: "upload", done: 0, retry: { code, status, seconds } }),
    );
    return keep(job, answer, await readAnswer(answer));
  });
}

async function watch(job: Job): Promise<void> {
  await cancellable(job, async (signal) => {
    const found = await watchJob(job.server!, signal, (progress) => tellProgress(job.id, progress));
    if (found.digest && found.answer) {
      return keep(job, new Blob([found.answer], { type: "application/json" }), found.digest);
    }
    const failure = failureOfJob(found);
    await update(job.id, failure ? { state: "failed", failure } : { state: "cancelled" });
  });
}

/** Do something about a job until it is cancelled; what goes wrong is noted with it. */
async function cancellable(job: Job, task: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const controller = new AbortController();
  cancels.set(job.id, controller);
  try {
    await task(controller.signal);
  } catch (error) {
    if (controller.signal.aborted) await update(job.id, { state: "cancelled" }, "upload");
    else await fail(job, error);
  } finally {
    cancels.delete(job.id);
    tellProgress(job.id, null);
  }
}

async function fail(job: Job, error: unknown): Promise<void> {
  if (isRefusedKey(error)) {
    refuseKey();
    if (!job.server) await update(job.id, { state: "waiting" }); // what is at the server is there still
    return;
  }
  const failure = error instanceof RequestError ? error.failure : ownFailure("unexpected_answer", "", 0, String(error));
  await update(job.id, { state: "failed", failure });
}

function isRefusedKey(error: unknown): boolean {
  return error instanceof RequestError && error.failure.code === "authentication" && config.key_required;
}

async function keep(job: Job, answer: Blob, read: Digest): Promise<void> {
  await database.put("answers", job.id, answer);
  await update(job.id, { state: "done", summary: summaryOf(read) });
  await makeRoom();
}

async function send(job: Job, file: Blob, signal: AbortSignal): Promise<Blob> {
  const requestId = crypto.randomUUID();
  const ended = new AbortController();
  tellProgress(job.id, { stage: "upload", done: 0 });
  try {
    return await detect({
      file,
      name: job.name,
      options: job.options,
      requestId,
      signal,
      onUpload: (share) => tellProgress(job.id, { stage: "upload", done: share }),
      onUploaded: () => {
        tellProgress(job.id, { stage: "queued", done: null });
        void follow(requestId, ended.signal, (progress) => {
          if (!ended.signal.aborted) tellProgress(job.id, progress);
        });
      },
    });
  } finally {
    ended.abort();
  }
}

function summaryOf({ result }: Digest): Summary {
  const stills = result.frames ?? [];
  return {
    verdict: result.verdict,
    probability: result.probability_fake,
    duration: durationOf(result),
    thumbnail: stills[Math.floor(stills.length / 2)]?.jpeg ?? null,
  };
}
