import uPlot from "uplot";
import { useEffect, useId, useMemo, useRef, useState } from "preact/hooks";
import { useSignal, useSignalEffect, type Signal } from "@preact/signals";
import type { Digest } from "../analysis/digest";
import { probabilitySteps, suspiciousSpans } from "../analysis/moments";
import { BROADCAST_WINDOW, DELAYS, FRAME_RATE, MAX_DELAY, SUSPICIOUS } from "../api/types";
import { seekByKey, type Clock } from "../player/clock";
import { scheme } from "../store/settings";
import { clockTime, delayWords, locale, percent, signed, t } from "../texts";
import { image, picture } from "./heatmap";
import { palette } from "./palette";
import { GUTTER, band, level, shade, timePlot, type TimePlot } from "./plot";

/** Plots by their name, for who wants their pictures. */
export type Plots = Map<string, uPlot>;

interface Props {
  digest: Digest;
  clock: Clock;
  loud: Float32Array | null;
  plots: Plots;
}

interface Pointer {
  time: number;
  delay: number | null; // where the pointer is in the heat map
}

const LEVELS = [0, 0.5, 1];
const DELAY_TICKS = [-15, -10, -5, 0, 5, 10, 15];

/** Probability, delay, speech and delay map over the same time, with the playing moment across all of them. */
export function Timeline({ digest, clock, loud, plots }: Props) {
  const group = useId();
  const range = useSignal<[number, number]>([0, clock.duration]);
  const pointer = useSignal<Pointer | null>(null);
  const drawn = useMemo(() => describe(digest), [digest, scheme.value, locale.value]);
  const speech = useMemo(() => loud && describeSpeech(digest, loud), [digest, loud, scheme.value, locale.value]);
  // The sound is known later: the other plots stay as they are, zoom and all.
  const parts = speech ? [...drawn.slice(0, -1), speech, drawn.at(-1)!] : drawn;
  const slider = useRef<HTMLDivElement>(null);
  // By hand: rendering everything anew for each frame that plays would be a waste.
  useSignalEffect(() => {
    const time = clock.time.value;
    slider.current?.setAttribute("aria-valuenow", time.toFixed(2));
    slider.current?.setAttribute("aria-valuetext", spoken(digest, time));
  });
  return (
    <div
      class="timeline"
      role="slider"
      tabIndex={0}
      ref={slider}
      aria-label={t("timeline.label")}
      aria-valuemin={0}
      aria-valuemax={Math.round(clock.duration * 100) / 100}
      onKeyDown={(event) => seekByKey(event, clock)}
      onPointerLeave={() => (pointer.value = null)}
    >
      <Readout digest={digest} pointer={pointer} clock={clock} />
      <div class="stack">
        {parts.map((part) => (
          <Row
            key={part.name}
            part={part}
            group={group}
            duration={clock.duration}
            range={range}
            plots={plots}
            onSeek={(time) => clock.seek(time)}
            onPoint={(time, value) => {
              if (time === null) return;
              pointer.value = { time, delay: part.name === "map" && value !== null ? Math.round(value) : null };
            }}
            onZoom={(from, to) => (range.value = [from, to])}
          />
        ))}
        <Moment clock={clock} range={range} />
      </div>
    </div>
  );
}

type Part = Pick<TimePlot, "title" | "height" | "data" | "series" | "y" | "withTimes"> &
  Partial<Pick<TimePlot, "below" | "above">> & { name: string };

/** What is known from the answer alone. */
function describe(digest: Digest): Part[] {
  const colours = palette();
  const { result } = digest;
  const suspicious = shade(suspiciousSpans(result), colours["alarm-wash"]);
  const zero = level(0, colours.faint, [4, 4]);
  const steps = probabilitySteps(result);
  const times = Float64Array.from(digest.best, (_, window) => digest.start + window / FRAME_RATE);
  const heat = digest.heat && picture(digest.heat);
  const parts: Part[] = [
    {
      name: "probability",
      title: t("timeline.probability"),
      height: 104,
      data: [steps.times, steps.values],
      series: [
        {
          stroke: colours.accent,
          width: 2,
          fill: `${colours.accent}33`,
          points: { show: false },
        },
      ],
      y: { range: [0, 1.04], ticks: LEVELS, label: percent },
      below: [suspicious],
      above: [level(SUSPICIOUS, colours.faint, [4, 4])],
      withTimes: false,
    },
    {
      name: "delay",
      title: t("timeline.delay"),
      height: 104,
      data: [times, digest.best],
      series: [
        { stroke: colours.calm, width: 1.6, paths: uPlot.paths.stepped!({ align: 1 }), points: { show: false } },
      ],
      y: { range: [-MAX_DELAY - 1, MAX_DELAY + 1], ticks: [-15, 0, 15], label: signed },
      below: [suspicious, band(BROADCAST_WINDOW[0] - 0.5, BROADCAST_WINDOW[1] + 0.5, `${colours.calm}22`)],
      above: [zero],
      withTimes: false,
    },
  ];
  if (heat) {
    parts.push({
      name: "map",
      title: t("timeline.map"),
      height: 188,
      data: [times, digest.best],
      series: [{ show: false }],
      y: { range: [-MAX_DELAY - 0.5, MAX_DELAY + 0.5], ticks: DELAY_TICKS, label: signed },
      above: [image(heat, digest.start), level(0, "#ffffffaa", [3, 5])],
      withTimes: true,
    });
  } else {
    parts.at(-1)!.withTimes = true;
  }
  return parts;
}

function describeSpeech(digest: Digest, loud: Float32Array): Part {
  const colours = palette();
  return {
    name: "speech",
    title: t("timeline.speech"),
    height: 56,
    data: [Float64Array.from(loud, (_, place) => place / FRAME_RATE), loud],
    series: [{ stroke: colours.speech, width: 1, fill: `${colours.speech}66`, points: { show: false } }],
    y: { range: [0, 1.04], ticks: [0, 1], label: (value) => (value ? t("timeline.loud") : t("timeline.quiet")) },
    below: [shade(suspiciousSpans(digest.result), colours["alarm-wash"])],
    withTimes: false,
  };
}

interface RowProps extends Pick<TimePlot, "duration" | "onSeek" | "onPoint" | "onZoom"> {
  part: Part;
  group: string;
  range: Signal<[number, number]>;
  plots: Plots;
}

function Row({ part, group, range, plots, ...rest }: RowProps) {
  const holder = useRef<HTMLDivElement>(null);
  const handlers = useRef(rest);
  handlers.current = rest;
  useEffect(() => {
    const into = holder.current!;
    const plot = timePlot(into, group, {
      ...part,
      duration: rest.duration,
      shown: range.peek(),
      labelTime: clockTime,
      onSeek: (time) => handlers.current.onSeek(time),
      onPoint: (time, value) => handlers.current.onPoint(time, value),
      onZoom: (from, to) => handlers.current.onZoom(from, to),
    });
    plots.set(part.name, plot);
    const observer = new ResizeObserver(() => plot.setSize({ width: into.clientWidth, height: part.height }));
    observer.observe(into);
    return () => {
      observer.disconnect();
      plot.destroy();
      plots.delete(part.name);
    };
  }, [part, group, rest.duration]);
  return (
    <figure class="row" data-plot={part.name}>
      <figcaption>{part.title}</figcaption>
      <div ref={holder} aria-hidden="true" />
    </figure>
  );
}

/** The playing moment, moved without drawing a plot anew. */
function Moment({ clock, range }: { clock: Clock; range: Signal<[number, number]> }) {
  const [width, setWidth] = useState(0);
  const line = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const stack = line.current!.parentElement!;
    const observer = new ResizeObserver(() => setWidth(stack.clientWidth - GUTTER - 14));
    observer.observe(stack);
    return () => observer.disconnect();
  }, []);
  const [from, to] = range.value;
  const share = (clock.time.value - from) / (to - from);
  return (
    <div
      class="moment"
      ref={line}
      hidden={!(share >= 0 && share <= 1)}
      style={{ transform: `translateX(${GUTTER + share * width}px)` }}
    />
  );
}

/** What is true at the pointer, or at the playing moment. */
function Readout({ digest, pointer, clock }: { digest: Digest; pointer: Signal<Pointer | null>; clock: Clock }) {
  const at = pointer.value ?? { time: clock.time.value, delay: null };
  const found = lookUp(digest, at.time);
  return (
    <p class="readout" aria-hidden="true">
      <b>{clockTime(at.time, 2)}</b>
      {found.probability !== null && <span>{t("readout.fake", { share: percent(found.probability) })}</span>}
      {at.delay === null && found.best !== null && (
        <span>{t("readout.best", { delay: delayWords(found.best), share: percent(found.sure) })}</span>
      )}
      {at.delay !== null && (
        <span>
          {t("readout.map", { delay: delayWords(at.delay), share: percent(likelihood(digest, at.time, at.delay)) })}
        </span>
      )}
    </p>
  );
}

function spoken(digest: Digest, time: number): string {
  const found = lookUp(digest, time);
  const words = [clockTime(time, 1)];
  if (found.probability !== null) words.push(t("readout.fake", { share: percent(found.probability) }));
  if (found.best !== null) words.push(delayWords(found.best));
  return words.join(", ");
}

function lookUp(digest: Digest, time: number): { probability: number | null; best: number | null; sure: number } {
  const here = digest.result.segments.filter(({ start, end }) => start <= time && time < end);
  const scored = here.flatMap(({ probability_fake }) => (probability_fake === null ? [] : [probability_fake]));
  const window = Math.round((time - digest.start) * FRAME_RATE);
  return {
    probability: scored.length ? Math.max(...scored) : null,
    best: digest.best[window] ?? null,
    sure: digest.sure[window] ?? 0,
  };
}

function likelihood(digest: Digest, time: number, delay: number): number {
  const window = Math.floor((time - digest.start) * FRAME_RATE);
  return digest.likely[window * DELAYS + delay + MAX_DELAY] ?? 0;
}
