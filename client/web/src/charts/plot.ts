import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { Span } from "../analysis/moments";
import { palette } from "./palette";

/** Pixels left of every plot, so that their time axes lie above one another. */
export const GUTTER = 52;
const RIGHT = 14;
const FONT = "12px system-ui, sans-serif";

export interface Axis {
  range: [number, number];
  ticks: number[];
  label?: (value: number) => string;
}

export interface TimePlot {
  title: string;
  height: number;
  data: uPlot.AlignedData;
  series: uPlot.Series[];
  y: Axis;
  duration: number;
  shown: [number, number]; // the stretch that is in view at first
  /** Drawn under the data, in the order given. */
  below?: ((plot: uPlot) => void)[];
  above?: ((plot: uPlot) => void)[];
  withTimes: boolean;
  labelTime: (seconds: number, digits: number) => string;
  onSeek: (time: number) => void;
  onPoint: (time: number | null, value: number | null) => void;
  onZoom: (from: number, to: number) => void;
}

/** A plot over the time of a video; those of one group share pointer and zoom. */
export function timePlot(into: HTMLElement, group: string, plot: TimePlot): uPlot {
  const colours = palette();
  const drawn = new uPlot(
    {
      width: into.clientWidth,
      height: plot.height,
      padding: [8, RIGHT, plot.withTimes ? 0 : 6, 0],
      legend: { show: false },
      cursor: {
        sync: { key: group, setSeries: false, scales: ["x", null] },
        points: { show: false },
        drag: { x: true, y: false },
        y: false,
      },
      scales: { x: { time: false, range: (_, min, max) => [min, max] }, y: { range: () => plot.y.range } },
      axes: [
        {
          show: plot.withTimes,
          size: 26,
          font: FONT,
          stroke: colours.faint,
          grid: { stroke: colours.line, width: 1 },
          ticks: { show: false },
          values: (_, splits) => splits.map((seconds) => plot.labelTime(seconds, digitsOf(splits))),
        },
        {
          size: GUTTER,
          font: FONT,
          stroke: colours.faint,
          gap: 6,
          grid: { stroke: colours.line, width: 1 },
          ticks: { show: false },
          splits: () => plot.y.ticks,
          values: (_, splits) => splits.map((value) => (plot.y.label ?? String)(value)),
        },
      ],
      series: [{}, ...plot.series],
      hooks: {
        drawClear: plot.below ?? [],
        draw: plot.above ?? [],
        setCursor: [
          (self) => {
            const { left, top } = self.cursor;
            const inside = left !== undefined && left >= 0 && top !== undefined && top >= 0;
            plot.onPoint(inside ? self.posToVal(left, "x") : null, inside ? self.posToVal(top, "y") : null);
          },
        ],
        setScale: [
          (self, key) => {
            const { min, max } = self.scales["x"] ?? {};
            if (key === "x" && typeof min === "number" && typeof max === "number") plot.onZoom(min, max);
          },
        ],
      },
    },
    plot.data,
    into,
  );
  drawn.setScale("x", { min: plot.shown[0], max: plot.shown[1] });
  listen(drawn, plot);
  return drawn;
}

/** Digits behind the point that tell neighbouring labels apart. */
function digitsOf(splits: number[]): number {
  const step = (splits[1] ?? 1) - (splits[0] ?? 0);
  return step >= 1 ? 0 : step >= 0.1 ? 1 : 2;
}

/** A click seeks, a drag looks closer, a double click shows everything again. */
function listen(drawn: uPlot, plot: TimePlot): void {
  let pressed = 0;
  drawn.over.addEventListener("mousedown", (event) => (pressed = event.clientX));
  drawn.over.addEventListener("click", (event) => {
    if (Math.abs(event.clientX - pressed) > 4) return;
    plot.onSeek(drawn.posToVal(event.clientX - drawn.over.getBoundingClientRect().left, "x"));
  });
  drawn.over.addEventListener(
    "dblclick",
    (event) => {
      event.stopImmediatePropagation();
      drawn.setScale("x", { min: 0, max: plot.duration });
    },
    { capture: true },
  );
}

/** Shade stretches of time over the whole height. */
export function shade(spans: Span[], colour: string): (plot: uPlot) => void {
  return (plot) => {
    plot.ctx.save();
    clip(plot);
    plot.ctx.fillStyle = colour;
    for (const { start, end } of spans) {
      const left = plot.valToPos(start, "x", true);
      plot.ctx.fillRect(left, plot.bbox.top, plot.valToPos(end, "x", true) - left, plot.bbox.height);
    }
    plot.ctx.restore();
  };
}

/** Shade a band of values over the whole width. */
export function band(from: number, to: number, colour: string): (plot: uPlot) => void {
  return (plot) => {
    const top = plot.valToPos(to, "y", true);
    plot.ctx.save();
    plot.ctx.fillStyle = colour;
    plot.ctx.fillRect(plot.bbox.left, top, plot.bbox.width, plot.valToPos(from, "y", true) - top);
    plot.ctx.restore();
  };
}

/** A level line. */
export function level(value: number, colour: string, dash: number[]): (plot: uPlot) => void {
  return (plot) => {
    const y = plot.valToPos(value, "y", true);
    plot.ctx.save();
    plot.ctx.strokeStyle = colour;
    plot.ctx.lineWidth = devicePixelRatio;
    plot.ctx.setLineDash(dash.map((length) => length * devicePixelRatio));
    plot.ctx.beginPath();
    plot.ctx.moveTo(plot.bbox.left, y);
    plot.ctx.lineTo(plot.bbox.left + plot.bbox.width, y);
    plot.ctx.stroke();
    plot.ctx.restore();
  };
}

export function clip(plot: uPlot): void {
  plot.ctx.beginPath();
  plot.ctx.rect(plot.bbox.left, plot.bbox.top, plot.bbox.width, plot.bbox.height);
  plot.ctx.clip();
}
