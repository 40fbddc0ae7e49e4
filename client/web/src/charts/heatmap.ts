import type uPlot from "uplot";
import { DELAYS, FRAME_RATE } from "../api/types";
import { clip } from "./plot";

/** Pixels (31, windows, 4) as a picture that a plot can stretch over its time axis. */
export function picture(pixels: Uint8ClampedArray<ArrayBuffer>): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  canvas.width = pixels.length / 4 / DELAYS;
  canvas.height = DELAYS;
  canvas.getContext("2d")?.putImageData(new ImageData(pixels, canvas.width, DELAYS), 0, 0);
  return canvas;
}

/** Draw a picture whose columns are windows from ``start`` (s) on, and whose rows fill the y axis. */
export function image(canvas: HTMLCanvasElement, start: number): (plot: uPlot) => void {
  return (plot) => {
    const { top, height } = plot.bbox;
    const left = plot.valToPos(start, "x", true);
    const right = plot.valToPos(start + canvas.width / FRAME_RATE, "x", true);
    plot.ctx.save();
    clip(plot);
    // Wider than the screen, columns are averaged; narrower, each stays a block that can be counted.
    plot.ctx.imageSmoothingEnabled = right - left < canvas.width;
    plot.ctx.drawImage(canvas, left, top, right - left, height);
    plot.ctx.restore();
  };
}
