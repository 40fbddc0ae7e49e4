/** A video becomes a job of the server's, and the job is watched until it has ended. */
import type { JobDigest } from "../analysis/digest";
import { readJob } from "../analysis/reader";
import { config } from "../api/config";
import { RequestError, isRepeatable, ownFailure, type Failure } from "../api/errors";
import { endJob, fetchJob, followJob, handIn, isUnfinished, progressOf } from "../api/jobs";
import { sendFile } from "../api/upload";
import type { Job } from "./database";
import { find, jobs, leftUpload, tellProgress, update, type JobProgress } from "./jobs";
import { pauseOf, sleep, withRetries } from "./retries";

/** Between two looks at a job whose events do not come. */
const LOOK_MS = 2000;

/**
 * Send a file and have it made a job, from where an earlier attempt stands. Rejects with {@link RequestError},
 * or with an AbortError once it is cancelled; then nothing of it is left to be worked on.
 */
export async function handInFile(job: Job, file: Blob, signal: AbortSignal): Promise<void> {
  const key = job.key ?? crypto.randomUUID();
  await update(job.id, { key });
  await takeOver(job);
  let complete: string | null = null; // an upload that only has to be made a job
  let stood = 0;
  const attempt = async (moved: () => void): Promise<string> => {
    try {
      complete ??= await sendFile({
        file,
        name: job.name,
        options: job.options,
        begun: find(job.id)?.upload ?? null,
        signal,
        onBegun: (upload) => update(job.id, { upload }),
        onProgress: (done) => tellProgress(job.id, { stage: "upload", done }),
        onStands: (offset) => {
          if (offset > stood) moved();
          stood = Math.max(stood, offset);
        },
      });
      tellProgress(job.id, { stage: "queued", done: null });
      return (await handIn(complete, key)).id;
    } catch (error) {
      if (error instanceof RequestError && error.failure.code === "upload_gone") {
        complete = null;
        await update(job.id, {}, "upload");
      }
      throw error;
    }
  };
  tellProgress(job.id, { stage: "upload", done: 0 });
  const server = await withRetries(signal, attempt, ({ code, status }, seconds) =>
    tellProgress(job.id, { stage: "upload", done: 0, retry: { code, status, seconds } }),
  );
  if (find(job.id)?.state === "running") await update(job.id, { server }, "upload", "key");
  else await endJob(server); // it was cancelled while the server took it
}

/** Go on with the upload of another entry, where the browser has lost the file of that one. */
async function takeOver(job: Job): Promise<void> {
  const left = job.upload ? undefined : leftUpload(job, jobs.value);
  if (!left?.upload) return;
  await update(job.id, { upload: left.upload });
  await update(left.id, {}, "upload");
}

/**
 * Watch a job of the server's to its end, for as long as that takes: it goes on there, whether it can be
 * asked for or not. Rejects with {@link RequestError} where it never will be, or once the signal is given.
 */
export async function watchJob(
  server: string,
  signal: AbortSignal,
  tell: (progress: JobProgress) => void,
): Promise<JobDigest> {
  let tries = 0;
  for (;;) {
    try {
      const read = await readJob(await fetchJob(server, signal));
      if (!isUnfinished(read.job.state)) return read;
      tries = 0;
      tell(progressOf(read.job.progress));
      if (!(await followJob(server, signal, tell))) await sleep(LOOK_MS, signal);
    } catch (error) {
      if (signal.aborted || !(error instanceof RequestError) || !mayComeBack(error.failure)) throw error;
      const { code, status } = error.failure;
      const seconds = pauseOf(tries++, error.failure);
      tell({ stage: "queued", done: null, retry: { code, status, seconds } });
      await sleep(seconds * 1000, signal);
    }
  }
}

/** What an ended job without a result came to; null for one that was cancelled. */
export function failureOfJob({ job: { state, failure } }: JobDigest): Failure | null {
  if (state === "cancelled") return null;
  if (state === "expired") return ownFailure("job_expired");
  return failure ?? ownFailure("unexpected_answer");
}

/** A server that was started anew by `make web` takes this page's token no longer; the job may be there still. */
function mayComeBack(failure: Failure): boolean {
  return isRepeatable(failure) || failure.status >= 500 || (failure.code === "authentication" && !config.key_required);
}
