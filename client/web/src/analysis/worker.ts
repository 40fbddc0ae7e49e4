/** Reads answers away from the page: those of long videos hold a million numbers. */
import { buffersOf, digest } from "./digest";

export interface Task {
  number: number;
  answer: Blob;
}

self.onmessage = async ({ data }: MessageEvent<Task>) => {
  try {
    const made = digest(await data.answer.text());
    self.postMessage({ number: data.number, digest: made }, { transfer: buffersOf(made) });
  } catch (failure) {
    self.postMessage({ number: data.number, failure: String(failure) });
  }
};
