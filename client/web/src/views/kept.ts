import { useEffect, useState } from "preact/hooks";
import type { Digest } from "../analysis/digest";
import { readAnswer } from "../analysis/reader";
import { RequestError, ownFailure, type Failure } from "../api/errors";
import { database, type Job } from "../store/database";

/** A judged video with all that this browser kept of it. */
export interface Kept {
  job: Job;
  answer: Blob;
  digest: Digest;
  file: Blob | null; // let go of where files filled too much
}

export async function load(id: string): Promise<Kept> {
  const [job, answer, file] = await Promise.all([
    database.get("jobs", id),
    database.get("answers", id),
    database.get("files", id),
  ]);
  if (!job || !answer) throw new RequestError(ownFailure("result_gone"));
  return { job, answer, digest: await readAnswer(answer), file: file ?? null };
}

export function useKept(id: string): Kept | "loading" | { failure: Failure } {
  const [kept, setKept] = useState<Kept | "loading" | { failure: Failure }>("loading");
  useEffect(() => {
    let open = true;
    setKept("loading");
    load(id).then(
      (found) => open && setKept(found),
      (error) =>
        open && setKept({ failure: error instanceof RequestError ? error.failure : ownFailure("result_gone") }),
    );
    return () => {
      open = false;
    };
  }, [id]);
  return kept;
}
