import { RequestError, ownFailure } from "../api/errors";
import type { Digest, JobDigest } from "./digest";
import type { Task } from "./worker";

interface Reply {
  number: number;
  read?: Digest | JobDigest;
}

// Fetched with the page: kept results open without the server, too.
const broken = new WeakSet<Worker>();
let worker = start();
let tasks = 0;

function start(): Worker {
  const started = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  started.addEventListener("error", () => broken.add(started));
  return started;
}

/** Make an answer ready for drawing, in a worker. Rejects with {@link RequestError} for what is no result. */
export function readAnswer(answer: Blob): Promise<Digest> {
  return read(answer, "request") as Promise<Digest>;
}

/** The same of a job as the server tells of it, whether it has a result or not. */
export function readJob(answer: Blob): Promise<JobDigest> {
  return read(answer, "job") as Promise<JobDigest>;
}

function read(answer: Blob, of: Task["of"]): Promise<Digest | JobDigest> {
  if (broken.has(worker)) worker = start();
  const using = worker;
  const number = ++tasks;
  return new Promise((resolve, reject) => {
    const done = new AbortController();
    const listen = ({ data }: MessageEvent<Reply>): void => {
      if (data.number !== number) return;
      done.abort();
      if (data.read) resolve(data.read);
      else reject(new RequestError(ownFailure("unexpected_answer")));
    };
    const fail = (): void => {
      done.abort();
      reject(new RequestError(ownFailure("unreachable")));
    };
    using.addEventListener("message", listen, { signal: done.signal });
    using.addEventListener("error", fail, { signal: done.signal });
    using.postMessage({ number, answer, of } satisfies Task);
  });
}
