import type { ServerJob } from "../api/jobs";
import { DELAYS, FRAME_RATE, MAX_DELAY, type Result } from "../api/types";
import { rising, signed } from "./colours";

/** Single windows jump; a reader wants to see where the delay drifts. */
const SMOOTHED_S = 0.4;
const REACH_PERCENTILE = 0.99;

/** An answer made ready for drawing. Rows of pictures run from the largest delay down, a column a window. */
export interface Digest {
  result: Result;
  windows: number;
  start: number; // seconds, of the first window
  likely: Float32Array; // (windows, 31): how likely each delay is
  best: Float32Array; // (windows): the likeliest delay, smoothed, in frames
  sure: Float32Array; // (windows): how likely that one is
  mean: Float32Array; // (31): over the whole video
  heat: Uint8ClampedArray<ArrayBuffer> | null; // (31, windows, 4)
  features: Uint8ClampedArray<ArrayBuffer> | null; // (31, windows, 4)
}

/** A job without its result, which is beside it where there is one: to be drawn, and as JSON. */
export interface JobDigest {
  job: ServerJob;
  digest: Digest | null;
  answer: string | null;
}

interface Answer extends Result {
  delays?: number[][];
  features?: number[][];
}

/** Read an answer as the server wrote it; throws SyntaxError for what is none. */
export function digest(json: string): Digest {
  return digestOf(JSON.parse(json) as Answer);
}

/** A job as the server tells of it, and its answer where it has one; throws SyntaxError for what is none. */
export function digestJob(json: string): JobDigest {
  const { result = null, ...job } = JSON.parse(json) as ServerJob & { result?: Answer | null };
  if (typeof job.state !== "string") throw new SyntaxError("no job");
  return { job, digest: result && digestOf(result), answer: result && JSON.stringify(result) };
}

function digestOf({ delays = [], features = [], ...result }: Answer): Digest {
  if (typeof result.verdict !== "string" || !Array.isArray(result.segments)) {
    throw new SyntaxError("no result");
  }
  const windows = delays.length;
  const likely = softmax(delays);
  const { best, sure } = smoothedPeak(likely, windows);
  return {
    result,
    windows: Math.max(windows, features.length),
    start: result.delays_start ?? 0,
    likely,
    best,
    sure,
    mean: meanOf(likely, windows),
    heat: windows ? heatOf(likely, windows) : null,
    features: features.length ? featuresOf(features) : null,
  };
}

/** What a worker can hand over without copying. */
export function buffersOf(digest: Digest): ArrayBuffer[] {
  const arrays = [digest.likely, digest.best, digest.sure, digest.mean, digest.heat, digest.features];
  return arrays.flatMap((array) => (array ? [array.buffer as ArrayBuffer] : []));
}

function softmax(logits: number[][]): Float32Array {
  const likely = new Float32Array(logits.length * DELAYS);
  logits.forEach((row, window) => {
    const largest = Math.max(...row);
    let sum = 0;
    for (let delay = 0; delay < DELAYS; delay++) {
      sum += likely[window * DELAYS + delay] = Math.exp((row[delay] ?? -Infinity) - largest);
    }
    for (let delay = 0; delay < DELAYS; delay++) likely[window * DELAYS + delay]! /= sum;
  });
  return likely;
}

/** The peak of the running mean over {@link SMOOTHED_S}; running sums keep it linear in the length. */
function smoothedPeak(likely: Float32Array, windows: number): { best: Float32Array; sure: Float32Array } {
  const width = Math.max(1, Math.min(Math.round(SMOOTHED_S * FRAME_RATE), windows));
  const before = Math.floor((width - 1) / 2);
  const sums = new Float64Array(DELAYS);
  const best = new Float32Array(windows);
  const sure = new Float32Array(windows);
  const add = (window: number, sign: number): void => {
    if (window < 0 || window >= windows) return;
    for (let delay = 0; delay < DELAYS; delay++) sums[delay]! += sign * likely[window * DELAYS + delay]!;
  };
  for (let window = -before; window < width - before - 1; window++) add(window, 1);
  for (let window = 0; window < windows; window++) {
    add(window + width - before - 1, 1);
    let peak = 0;
    for (let delay = 1; delay < DELAYS; delay++) if (sums[delay]! > sums[peak]!) peak = delay;
    const held = Math.min(windows, window + width - before) - Math.max(0, window - before);
    best[window] = peak - MAX_DELAY;
    sure[window] = sums[peak]! / held;
    add(window - before, -1);
  }
  return { best, sure };
}

function meanOf(likely: Float32Array, windows: number): Float32Array {
  const mean = new Float32Array(DELAYS);
  for (let place = 0; place < likely.length; place++) mean[place % DELAYS]! += likely[place]! / windows;
  return mean;
}

/** The square root keeps an undecided window (1/31 everywhere) apart from an excluded delay (0). */
function heatOf(likely: Float32Array, windows: number): Uint8ClampedArray<ArrayBuffer> {
  return paint(windows, (window, row) => [...rising(Math.sqrt(likely[window * DELAYS + row]!)), 255]);
}

/** Each window scaled to length 1, as the score sees it. */
function featuresOf(features: number[][]): Uint8ClampedArray<ArrayBuffer> {
  const lengths = features.map((row) => Math.max(Math.hypot(...row), 1e-12));
  const step = Math.max(1, Math.floor((features.length * DELAYS) / 20_000)); // enough for a percentile
  const sizes: number[] = [];
  for (let place = 0; place < features.length * DELAYS; place += step) {
    const window = Math.floor(place / DELAYS);
    sizes.push(Math.abs(features[window]![place % DELAYS]!) / lengths[window]!);
  }
  sizes.sort((one, other) => one - other);
  const reach = Math.max(sizes[Math.floor(REACH_PERCENTILE * (sizes.length - 1))] ?? 0, 1e-6);
  return paint(features.length, (window, row) => signed(features[window]![row]! / lengths[window]! / reach));
}

function paint(
  windows: number,
  colour: (window: number, row: number) => readonly number[],
): Uint8ClampedArray<ArrayBuffer> {
  const pixels = new Uint8ClampedArray(windows * DELAYS * 4);
  for (let row = 0; row < DELAYS; row++) {
    for (let window = 0; window < windows; window++) {
      pixels.set(colour(window, row), ((DELAYS - 1 - row) * windows + window) * 4);
    }
  }
  return pixels;
}
