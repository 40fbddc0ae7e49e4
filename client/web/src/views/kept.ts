import { useEffect, useState } from "preact/hooks";
import type { Digest } from "../analysis/digest";
import { readAnswer } from "../analysis/reader";
import { config } from "../api/config";
import { apiKey, hasCredentials } from "../api/credentials";
import { RequestError, ownFailure, type Failure } from "../api/errors";
import { isServerId } from "../api/jobs";
import { database, type Job } from "../store/database";
import { failureOfJob, watchJob } from "../store/handing_in";
import type { JobProgress } from "../store/jobs";
import { opened } from "../store/past";
import { t } from "../texts";

/** A judged video with all that this browser, or the server, has kept of it. */
export interface Kept {
  id: string;
  name: string;
  answer: Blob;
  digest: Digest;
  here: boolean; // kept by this browser
  file: Blob | null; // let go of where files filled too much; the server keeps none
}

export type Opened = Kept | "loading" | { progress: JobProgress } | { failure: Failure };

export function isKept(found: Opened): found is Kept {
  return found !== "loading" && "digest" in found;
}

/** What is kept under the id of a job, of this browser's or of the server's; waits for one that is under way. */
async function load(id: string, signal: AbortSignal, tell: (progress: JobProgress) => void): Promise<Kept> {
  const job = await jobOf(id);
  const answer = job && (await database.get("answers", job.id));
  if (job && answer) {
    const file = (await database.get("files", job.id)) ?? null;
    return { id, name: job.name, answer, digest: await readAnswer(answer), here: true, file };
  }
  const server = job?.server ?? (isServerId(id) ? id : null);
  if (!config.jobs || !server) throw new RequestError(ownFailure("result_gone"));
  if (!hasCredentials()) throw new RequestError(ownFailure("authentication"));
  const found = await watchJob(server, signal, tell);
  if (!found.digest || !found.answer) {
    throw new RequestError(failureOfJob(found) ?? ownFailure("job_cancelled"));
  }
  const name = found.job.file || t("past.unnamed");
  opened.value = { ...opened.value, [id]: name };
  const read = new Blob([found.answer], { type: "application/json" });
  return { id, name, answer: read, digest: found.digest, here: false, file: null };
}

async function jobOf(id: string): Promise<Job | undefined> {
  if (!isServerId(id)) return database.get("jobs", id);
  return (await database.jobs()).find(({ server }) => server === id);
}

export function useKept(id: string): Opened {
  const [kept, setKept] = useState<Opened>("loading");
  useEffect(() => {
    const closed = new AbortController();
    const show = (found: Opened): void => {
      if (!closed.signal.aborted) setKept(found);
    };
    show("loading");
    load(id, closed.signal, (progress) => show({ progress })).then(show, (error) =>
      show({ failure: error instanceof RequestError ? error.failure : ownFailure("result_gone") }),
    );
    return () => closed.abort();
  }, [id, apiKey.value]);
  return kept;
}
