/** Reads answers away from the page: those of long videos hold a million numbers. */
import { buffersOf, digest, digestJob } from "./digest";

export interface Task {
  number: number;
  answer: Blob;
  of: "request" | "job";
}

self.onmessage = async ({ data: { number, answer, of } }: MessageEvent<Task>) => {
  try {
    const text = await answer.text();
    const read = of === "job" ? digestJob(text) : digest(text);
    const made = "job" in read ? read.digest : read;
    self.postMessage({ number, read }, { transfer: made ? buffersOf(made) : [] });
  } catch (failure) {
    self.postMessage({ number, failure: String(failure) });
  }
};
