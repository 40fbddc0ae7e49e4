/** What the server answers, as DESIGN fixes it; times in seconds, boxes in pixels (x0, y0, x1, y1). */

export const VERDICTS = ["real", "likely_real", "likely_fake", "fake", "inconclusive"] as const;
export type Verdict = (typeof VERDICTS)[number];

export interface Reason {
  code: string;
  message: string;
}

export interface Segment {
  start: number;
  end: number;
  track: number;
  score: number | null;
  probability_fake: number | null;
  peak_delay: number | null;
}

export type Box = [number, number, number, number];

export interface Track {
  id: number;
  start: number;
  end: number;
  speaking: boolean;
  box: Box;
  boxes?: Box[];
}

export interface Still {
  time: number;
  track: number;
  jpeg: string; // base64
}

export interface DeblurFacts {
  applied: boolean;
  frames: number;
  sharpness_before: number | null;
  sharpness_after: number | null;
}

export type Scalar = string | number | boolean | null;

/** A result without its two large arrays, which live in a {@link Digest}. */
export interface Result {
  id: string;
  verdict: Verdict;
  label: string | null;
  probability_fake: number | null;
  probability_aligned: number | null;
  parts: Record<string, number>;
  score: number | null;
  delay_score: number | null;
  feature_score: number | null;
  lam: number;
  offset_frames: number | null;
  offset_confidence: number | null;
  judged_offset_frames: number | null;
  reasons: Reason[];
  segments: Segment[];
  tracks: Track[];
  frames?: Still[];
  delays_start?: number;
  media: Record<string, Scalar>;
  deblur: DeblurFacts;
  models: Record<string, Record<string, Scalar>>;
  timing_ms: Record<string, number>;
}

export interface DetectOptions {
  deblur: "auto" | "always" | "never";
  mode: "full" | "reference";
}

const INCLUDE = ["delays", "features", "tracks", "frames"];

/** The options of a request whose answer the page is to draw, as JSON. */
export function requested(options: DetectOptions): string {
  return JSON.stringify({ ...options, include: INCLUDE });
}

/** What the gateway writes into the page it serves. */
export interface PageConfig {
  session: string | null;
  key_required: boolean;
  jobs: boolean; // whether it takes jobs, and tells those of one caller from those of another
  max_bytes: number;
  max_seconds: number;
  samples: { file: string; title: string }[];
}

export const FRAME_RATE = 25;
export const MAX_DELAY = 15;
export const DELAYS = 2 * MAX_DELAY + 1;
/** From here on a segment counts as suspicious, as in the reports. */
export const SUSPICIOUS = 0.5;
/** Sound so many frames early to so many late is left by cameras and broadcasts (ITU-R BT.1359-1). */
export const BROADCAST_WINDOW: [number, number] = [-2, 4];
