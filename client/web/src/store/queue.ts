import { effect } from "@preact/signals";
import { readAnswer } from "../analysis/reader";
import { durationOf } from "../analysis/moments";
import type { Digest } from "../analysis/digest";
import { config } from "../api/config";
import { hasCredentials, refuseKey } from "../api/credentials";
import { detect } from "../api/detect";
import { RequestError, isRepeatable, ownFailure, type Failure } from "../api/errors";
import { follow } from "../api/progress";
import { checkFile } from "../checks/file";
import { database, type Job, type Summary } from "./database";
import { add, jobs, makeRoom, reload, save, tellProgress, update, waiting } from "./jobs";
import { options } from "./settings";

/** Requests at a time: the server judges those that come together in one batch. */
const AT_ONCE = 2;
/** A server that is busy or starting anew gets so many more tries, so many seconds apart. */
const PAUSES_S = [2, 5, 10, 20];
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

export async function cancel(id: string): Promise<void> {
  cancels.get(id)?.abort();
  cancelChannel.postMessage(id);
  await update(id, { state: "cancelled" });
}

export async function again(id: string): Promise<void> {
  const job = jobs.value.find((one) => one.id === id);
  if (!job) return;
  const { failure: _, ...rest } = job;
  await save({ ...rest, state: "waiting" });
}

/** Work through the queue for as long as the page is open. One tab at a time does; others show how it goes. */
export async function workThroughQueue(): Promise<void> {
  await reload();
  if (navigator.locks) await navigator.locks.request(LOCK, work);
  else await work();
}

async function work(): Promise<never> {
  await reload();
  for (const job of jobs.value) {
    if (job.state === "running") await update(job.id, { state: "waiting" }); // the tab that was at it is gone
  }
  let running = 0;
  effect(() => {
    const next = waiting.value.at(-1);
    if (!next || running >= AT_ONCE || !hasCredentials()) return;
    running += 1;
    void judge(next).finally(() => {
      running -= 1;
      jobs.value = [...jobs.value]; // look for the next
    });
  });
  return new Promise(() => {});
}

async function judge(job: Job): Promise<void> {
  const controller = new AbortController();
  cancels.set(job.id, controller);
  await update(job.id, { state: "running" });
  try {
    const file = await database.get("files", job.id);
    if (!file) throw new RequestError(ownFailure("file_gone"));
    const answer = await withRetries(
      controller.signal,
      () => send(job, file, controller.signal),
      ({ code }, seconds) => tellProgress(job.id, { stage: "upload", done: 0, retry: { code, seconds } }),
    );
    const read = await readAnswer(answer);
    await database.put("answers", job.id, answer);
    await update(job.id, { state: "done", summary: summaryOf(read) });
    await makeRoom();
  } catch (error) {
    if (controller.signal.aborted) {
      await update(job.id, { state: "cancelled" });
    } else {
      const failure = error instanceof RequestError ? error.failure : ownFailure("unexpected_answer", "", 0, String(error));
      if (failure.code === "authentication" && config.key_required) {
        refuseKey();
        await update(job.id, { state: "waiting" });
      } else {
        await update(job.id, { state: "failed", failure });
      }
    }
  } finally {
    cancels.delete(job.id);
    tellProgress(job.id, null);
  }
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

async function withRetries<T>(
  signal: AbortSignal,
  attempt: () => Promise<T>,
  onPause: (failure: Failure, seconds: number) => void,
): Promise<T> {
  for (const pause of PAUSES_S) {
    try {
      return await attempt();
    } catch (error) {
      const failure: Failure | null = error instanceof RequestError ? error.failure : null;
      if (!failure || !isRepeatable(failure)) throw error;
      onPause(failure, pause);
      await sleep(pause * 1000, signal);
    }
  }
  return attempt();
}

function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(new DOMException("cancelled", "AbortError"));
    });
  });
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
