import { authorization } from "./credentials";
import { events } from "./event_stream";

export const STAGES = ["upload", "queued", "decode", "faces", "deblur", "compare", "score"] as const;
export type Stage = (typeof STAGES)[number];

export interface StageProgress {
  stage: Stage;
  done: number | null; // of this stage, 0 to 1
  remaining?: number | null; // seconds until the end of all stages, where the server says
}

/**
 * Tell where in the server a request is, until it ends or is given up. Without the route, or where a proxy
 * keeps the events back, nothing is told and nothing breaks: the answer comes by another way.
 */
export async function follow(
  requestId: string,
  signal: AbortSignal,
  tell: (progress: StageProgress) => void,
): Promise<void> {
  try {
    const answer = await fetch(`/v1/requests/${encodeURIComponent(requestId)}/events`, {
      headers: { ...authorization(), Accept: "text/event-stream" },
      signal,
    });
    if (!answer.ok || !answer.body) return;
    for await (const data of events(answer.body)) {
      const said = JSON.parse(data) as { stage?: string; done?: number | null };
      const stage = said.stage === "receiving" ? "upload" : (said.stage as Stage);
      if (STAGES.includes(stage) && stage !== "upload") tell({ stage, done: said.done ?? null });
    }
  } catch {
    // the request itself says what went wrong
  }
}
