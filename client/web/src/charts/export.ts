import type uPlot from "uplot";
import { palette } from "./palette";

const MARGIN = 16;
const TITLE = 34;

/** A plot as a PNG with its title, on the page's ground. */
export function plotAsPng(plot: uPlot, title: string): Promise<Blob> {
  const source = plot.ctx.canvas;
  const scale = devicePixelRatio;
  const colours = palette();
  const canvas = document.createElement("canvas");
  canvas.width = source.width + 2 * MARGIN * scale;
  canvas.height = source.height + (TITLE + 2 * MARGIN) * scale;
  const pen = canvas.getContext("2d") as CanvasRenderingContext2D;
  pen.fillStyle = colours.paper;
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.fillStyle = colours.ink;
  pen.font = `600 ${16 * scale}px system-ui, sans-serif`;
  pen.fillText(title, MARGIN * scale, (MARGIN + 16) * scale, canvas.width - 2 * MARGIN * scale);
  pen.drawImage(source, MARGIN * scale, (MARGIN + TITLE) * scale);
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("no picture"))), "image/png");
  });
}
