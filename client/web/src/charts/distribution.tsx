import uPlot from "uplot";
import { useEffect, useRef } from "preact/hooks";
import { BROADCAST_WINDOW, MAX_DELAY } from "../api/types";
import { scheme } from "../store/settings";
import { percent, signed, t } from "../texts";
import { palette } from "./palette";
import { GUTTER } from "./plot";
import type { Plots } from "./timeline";

interface Props {
  /** How likely each delay is, over the whole video; a second one is drawn as a line. */
  mean: Float32Array;
  other?: Float32Array;
  offset: number | null;
  plots: Plots;
}

const HEIGHT = 190;
const DELAYS_SHOWN = Array.from({ length: 2 * MAX_DELAY + 1 }, (_, place) => place - MAX_DELAY);

/** The delay over the whole video: one narrow peak where lips and voice belong together. */
export function Distribution({ mean, other, offset, plots }: Props) {
  const holder = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const into = holder.current!;
    const plot = draw(into, mean, other, offset);
    plots.set("distribution", plot);
    const observer = new ResizeObserver(() => plot.setSize({ width: into.clientWidth, height: HEIGHT }));
    observer.observe(into);
    return () => {
      observer.disconnect();
      plot.destroy();
      plots.delete("distribution");
    };
  }, [mean, other, offset, scheme.value]);
  const peak = mean.indexOf(Math.max(...mean)) - MAX_DELAY;
  return <div ref={holder} role="img" aria-label={t("distribution.label", { delay: signed(peak) })} />;
}

function draw(into: HTMLElement, mean: Float32Array, other: Float32Array | undefined, offset: number | null): uPlot {
  const colours = palette();
  const highest = Math.max(...mean, ...(other ?? []), 0.05) * 1.08;
  const font = "12px system-ui, sans-serif";
  const axis = { font, stroke: colours.faint, grid: { stroke: colours.line, width: 1 }, ticks: { show: false } };
  const column = (plot: uPlot, from: number, to: number, colour: string): void => {
    const left = plot.valToPos(from, "x", true);
    plot.ctx.fillStyle = colour;
    plot.ctx.fillRect(left, plot.bbox.top, plot.valToPos(to, "x", true) - left, plot.bbox.height);
  };
  return new uPlot(
    {
      width: into.clientWidth,
      height: HEIGHT,
      padding: [8, 14, 0, 0],
      legend: { show: false },
      cursor: { show: false },
      scales: {
        x: { time: false, range: () => [-MAX_DELAY - 0.7, MAX_DELAY + 0.7] },
        y: { range: () => [0, highest] },
      },
      axes: [
        { ...axis, size: 26, splits: () => [-15, -10, -5, 0, 5, 10, 15], values: (_, at) => at.map((value) => signed(value)) },
        { ...axis, size: GUTTER, gap: 6, values: (_, at) => at.map((value) => percent(value)) },
      ],
      series: [
        {},
        {
          stroke: colours.accent,
          fill: `${colours.accent}bb`,
          width: 0,
          paths: uPlot.paths.bars!({ size: [0.8] }),
          points: { show: false },
        },
        { stroke: colours.calm, width: 2, points: { show: false } },
      ],
      hooks: {
        drawClear: [
          (plot) => {
            column(plot, BROADCAST_WINDOW[0] - 0.5, BROADCAST_WINDOW[1] + 0.5, `${colours.calm}22`);
            if (offset !== null) column(plot, offset - 0.5, offset + 0.5, `${colours.calm}44`);
          },
        ],
        draw: [(plot) => column(plot, -0.04, 0.04, colours.ink)],
      },
    },
    [DELAYS_SHOWN, mean, other ?? DELAYS_SHOWN.map(() => null)] as uPlot.AlignedData,
    into,
  );
}
