import type { DetailedError, Upload } from "tus-js-client";
import { authorization } from "./credentials";
import { RequestError, failureOf, lostConnection, ownFailure } from "./errors";
import { requested, type DetectOptions } from "./types";

const ENDPOINT = "/v1/uploads";
/** Of one request: where a connection breaks, Chromium sends a request anew by itself, from its beginning. */
const PIECE_BYTES = 8 * 2 ** 20;
const GONE = [404, 410];

export interface UploadCall {
  file: Blob;
  name: string;
  options: DetectOptions;
  /** The address of an upload of the same file that has begun; null to begin one. */
  begun: string | null;
  signal: AbortSignal;
  /** Told the share of the file that is at the server or on its way there. */
  onProgress: (share: number) => void;
  /** Told the address of an upload that has just begun. */
  onBegun: (address: string) => Promise<void>;
  /** Told how many bytes the server has of an upload that had begun. */
  onStands: (offset: number) => void;
}

/**
 * Send a video in pieces (tus 1.0.0), from where its upload stands; the upload's id at the server. One attempt:
 * what was sent before it failed is kept there. Rejects with {@link RequestError}, whose code is `upload_gone`
 * where the upload that had begun is no longer there, or with an AbortError once it is cancelled.
 */
export async function sendFile(call: UploadCall): Promise<string> {
  const tus = await import("tus-js-client").catch(() => {
    throw new RequestError(lostConnection());
  });
  return new Promise((resolve, reject) => {
    const upload: Upload = new tus.Upload(call.file, {
      // Never both: where one that has begun is not answered for, another would be begun in its place.
      ...(call.begun ? { uploadUrl: call.begun } : { endpoint: ENDPOINT }),
      metadata: { filename: call.name, options: requested(call.options) },
      headers: authorization(),
      chunkSize: PIECE_BYTES,
      retryDelays: null, // the queue tries again, and says so
      storeFingerprintForResuming: false, // the queue keeps the address beside the video's other facts
      onUploadUrlAvailable: () => (call.begun ? undefined : call.onBegun(path(upload))),
      onProgress: (sent, size) => call.onProgress(size ? sent / size : 1),
      onAfterResponse: (request, answer) => {
        if (request.getMethod() === "HEAD") call.onStands(Number(answer.getHeader("Upload-Offset")));
      },
      onSuccess: () => resolve(path(upload).slice(ENDPOINT.length + 1)),
      onError: (error) => reject(reasonOf(error, call.begun !== null)),
    });
    call.signal.addEventListener("abort", () => {
      void upload.abort();
      reject(new DOMException("cancelled", "AbortError"));
    });
    upload.start();
  });
}

/** Have the server drop what it has of an upload; whether it did is its own business, and time's. */
export async function dropUpload(address: string): Promise<void> {
  const headers = { ...authorization(), "Tus-Resumable": "1.0.0" };
  await fetch(address, { method: "DELETE", headers }).catch(() => {});
}

/** Without scheme and host, under which the same server may be reached by another name tomorrow. */
function path(upload: Upload): string {
  return new URL(upload.url ?? "", location.href).pathname;
}

function reasonOf(error: Error | DetailedError, resumed: boolean): unknown {
  const answer = "originalResponse" in error ? error.originalResponse : null;
  if (!answer) return "originalRequest" in error ? new RequestError(lostConnection()) : error;
  const status = answer.getStatus();
  if (resumed && GONE.includes(status)) return new RequestError(ownFailure("upload_gone", "", status));
  // Another request writes to it still, whose connection has broken without the server having noticed yet.
  if (status === 409) return new RequestError(ownFailure("connection_lost", "", status));
  return new RequestError(failureOf(status, answer.getBody(), "", answer.getHeader("Retry-After") ?? null));
}
