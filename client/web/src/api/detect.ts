import { authorization } from "./credentials";
import { RequestError, failureOf, ownFailure } from "./errors";
import type { DetectOptions } from "./types";

const INCLUDE = ["delays", "features", "tracks", "frames"];

export interface DetectCall {
  file: Blob;
  name: string;
  options: DetectOptions;
  requestId: string;
  signal: AbortSignal;
  /** Told the share of the file that has been sent. */
  onUpload: (share: number) => void;
  onUploaded: () => void;
}

/**
 * Send one video and wait for the answer, as it was written. XMLHttpRequest, because fetch cannot tell how
 * far an upload is. Rejects with {@link RequestError}, or with an AbortError once it is cancelled.
 */
export function detect(call: DetectCall): Promise<Blob> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const fail = (code: string): void => reject(new RequestError(ownFailure(code, call.requestId)));
    request.open("POST", "/v1/detect");
    request.responseType = "blob";
    request.setRequestHeader("X-OutOfSync-Request-Id", call.requestId);
    for (const [name, value] of Object.entries(authorization())) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => {
      if (event.lengthComputable) call.onUpload(event.loaded / event.total);
    };
    request.upload.onload = () => call.onUploaded();
    request.onerror = () => fail(navigator.onLine === false ? "unreachable" : "connection_lost");
    request.ontimeout = () => fail("timeout");
    request.onabort = () => reject(new DOMException("cancelled", "AbortError"));
    request.onload = () => {
      const answer = request.response as Blob;
      if (request.status === 200) return resolve(answer);
      void answer.text().then((body) => {
        reject(new RequestError(failureOf(request.status, body, call.requestId)));
      });
    };
    call.signal.addEventListener("abort", () => request.abort(), { once: true });
    request.send(form(call));
  });
}

function form(call: DetectCall): FormData {
  const form = new FormData();
  form.append("options", JSON.stringify({ ...call.options, include: INCLUDE }));
  form.append("data", call.file, call.name);
  return form;
}
