import { RequestError, ownFailure } from "../api/errors";
import type { Digest } from "./digest";
import type { Task } from "./worker";

interface Reply {
  number: number;
  digest?: Digest;
}

let worker: Worker | undefined;
let tasks = 0;

/** Make an answer ready for drawing, in a worker. Rejects with {@link RequestError} for what is no result. */
export function readAnswer(answer: Blob): Promise<Digest> {
  worker ??= new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  const using = worker;
  const number = ++tasks;
  return new Promise((resolve, reject) => {
    const listen = ({ data }: MessageEvent<Reply>): void => {
      if (data.number !== number) return;
      using.removeEventListener("message", listen);
      if (data.digest) resolve(data.digest);
      else reject(new RequestError(ownFailure("unexpected_answer")));
    };
    using.addEventListener("message", listen);
    using.postMessage({ number, answer } satisfies Task);
  });
}
