import { authorization } from "./credentials";
import { RequestError, failureOf, lostConnection, ownFailure } from "./errors";
import { requested, type DetectOptions } from "./types";

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
    request.open("POST", "/v1/detect");
    request.responseType = "blob";
    request.setRequestHeader("X-OutOfSync-Request-Id", call.requestId);
    for (const [name, value] of Object.entries(authorization())) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => {
      if (event.lengthComputable) call.onUpload(event.loaded / event.total);
    };
    request.upload.onload = () => call.onUploaded();
    request.onerror = () => reject(new RequestError(lostConnection(call.requestId)));
    request.ontimeout = () => reject(new RequestError(ownFailure("timeout", call.requestId)));
    request.onabort = () => reject(new DOMException("cancelled", "AbortError"));
    request.onload = () => {
      const answer = request.response as Blob;
      if (request.status === 200) return resolve(answer);
      void answer.text().then((body) => {
        const later = request.getResponseHeader("Retry-After");
        reject(new RequestError(failureOf(request.status, body, call.requestId, later)));
      });
    };
    call.signal.addEventListener("abort", () => request.abort(), { once: true });
    request.send(form(call));
  });
}

function form(call: DetectCall): FormData {
  const form = new FormData();
  form.append("options", requested(call.options));
  form.append("data", call.file, call.name);
  return form;
}
