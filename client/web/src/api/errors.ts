/** A failure as the server's envelope tells it, or as the page found it itself. */
export interface Failure {
  code: string;
  message: string;
  hint: string;
  stage: string;
  request_id: string;
  status: number;
  retry_after?: number; // seconds, where the answer said when to come back
}

export class RequestError extends Error {
  constructor(readonly failure: Failure) {
    super(failure.message);
  }
}

/** A failure that no server told of; its words are in the texts, by its code. */
export function ownFailure(code: string, request_id = "", status = 0, message = ""): Failure {
  return { code, message, hint: "", stage: "", request_id, status };
}

/** What an answer that is no result says; `retryAfter` is its header of that name. */
export function failureOf(status: number, body: string, request_id: string, retryAfter: string | null = null): Failure {
  const failure = told(status, body, request_id);
  const seconds = Number(retryAfter);
  return retryAfter && seconds > 0 ? { ...failure, retry_after: seconds } : failure;
}

function told(status: number, body: string, request_id: string): Failure {
  try {
    const envelope = (JSON.parse(body) as { error?: Partial<Failure> }).error;
    if (envelope && typeof envelope.code === "string") {
      return { ...ownFailure(envelope.code, request_id, status), ...envelope };
    }
  } catch {
    // a page of a proxy, say: told by its status below
  }
  if (status === 413) return ownFailure("too_large", request_id, status);
  if (status === 401 || status === 403) return ownFailure("authentication", request_id, status);
  if (status === 429 || status === 503) return ownFailure("busy", request_id, status);
  return ownFailure("unexpected_answer", request_id, status);
}

/** What a request that got no answer failed of. */
export function lostConnection(request_id = ""): Failure {
  return ownFailure(navigator.onLine === false ? "unreachable" : "connection_lost", request_id);
}

const PASSING = ["busy", "worker_died", "unreachable", "connection_lost", "timeout", "upload_gone"];

/** Whether the same request may do better a little later, so that it is sent again unasked. */
export function isRepeatable(failure: Failure): boolean {
  return PASSING.includes(failure.code);
}

const MENDED = ["internal", "authentication", "not_deployed", "unexpected_answer", "job_gone", "job_expired"];

/** Whether it makes sense to try the same file again once something else has changed. */
export function mayDoBetter(failure: Failure): boolean {
  return isRepeatable(failure) || MENDED.includes(failure.code);
}
