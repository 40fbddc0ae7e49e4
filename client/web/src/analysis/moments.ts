import { FRAME_RATE, SUSPICIOUS, type Box, type Result, type Segment, type Still, type Track } from "../api/types";

const MAX_MOMENTS = 6;
const INSTANT_S = 1e-6; // two values at one time are one too many for a plot

export interface Span {
  start: number;
  end: number;
}

/** A stretch that a reader should look at, with the face as the networks saw it. */
export interface Moment {
  segment: Segment;
  time: number;
  still: Still | null;
}

export function isSuspicious(segment: Segment): boolean {
  return (segment.probability_fake ?? 0) >= SUSPICIOUS;
}

/** Suspicious stretches, those that touch joined. */
export function suspiciousSpans(result: Result): Span[] {
  const spans: Span[] = [];
  for (const { start, end } of byTime(result.segments.filter(isSuspicious))) {
    const last = spans.at(-1);
    if (last && start <= last.end) last.end = Math.max(last.end, end);
    else spans.push({ start, end });
  }
  return spans;
}

/** The segments that count most, in order of time. */
export function moments(result: Result): Moment[] {
  const weight = ({ probability_fake, score }: Segment): number => (probability_fake ?? 0) * 1e6 + (score ?? 0);
  const chosen = [...result.segments].sort((one, other) => weight(other) - weight(one)).slice(0, MAX_MOMENTS);
  return byTime(chosen).map((segment) => {
    const middle = (segment.start + segment.end) / 2;
    const still = (result.frames ?? [])
      .filter(({ track, time }) => track === segment.track && time >= segment.start && time <= segment.end)
      .sort((one, other) => Math.abs(one.time - middle) - Math.abs(other.time - middle))[0];
    return { segment, time: still?.time ?? middle, still: still ?? null };
  });
}

/** Where a face is at a moment; null where it is not in view. */
export function boxAt(track: Track, time: number): Box | null {
  if (time < track.start || time > track.end) return null;
  if (!track.boxes?.length) return track.box;
  const place = Math.round((time - track.start) * FRAME_RATE);
  return track.boxes[Math.min(Math.max(place, 0), track.boxes.length - 1)] ?? null;
}

/** Seconds that the video lasts, as far as the result knows. */
export function durationOf(result: Result): number {
  const ends = [...result.segments, ...result.tracks].map(({ end }) => end);
  const said = result.media["duration_s"];
  return Math.max(typeof said === "number" ? said : 0, ...ends, 0.04);
}

/** The largest probability of any segment at a time, as a line with steps; null where nothing was scored. */
export function probabilitySteps(result: Result): { times: number[]; values: (number | null)[] } {
  const scored = result.segments.filter(({ probability_fake }) => probability_fake !== null);
  const edges = [...new Set(scored.flatMap(({ start, end }) => [start, end]))].sort((a, b) => a - b);
  const times: number[] = [];
  const values: (number | null)[] = [];
  edges.slice(0, -1).forEach((edge, place) => {
    const here = scored.filter(({ start, end }) => start <= edge && edge < end);
    const value = here.length ? Math.max(...here.map(({ probability_fake }) => probability_fake ?? 0)) : null;
    times.push(edge, edges[place + 1]! - INSTANT_S);
    values.push(value, value);
  });
  return { times, values };
}

function byTime<T extends Segment>(segments: T[]): T[] {
  return [...segments].sort((one, other) => one.start - other.start || one.track - other.track);
}
