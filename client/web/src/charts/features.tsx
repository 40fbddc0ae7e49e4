import { useEffect, useMemo, useRef } from "preact/hooks";
import type { Digest } from "../analysis/digest";
import { DELAYS, FRAME_RATE } from "../api/types";
import type { Clock } from "../player/clock";
import { scheme } from "../store/settings";
import { clockTime, t } from "../texts";
import { image, picture } from "./heatmap";
import { timePlot } from "./plot";
import type { Plots } from "./timeline";

const HEIGHT = 170;

/** The audio-visual features over time, as the score sees them: a component a row. */
export function Features({ digest, clock, plots }: { digest: Digest; clock: Clock; plots: Plots }) {
  const holder = useRef<HTMLDivElement>(null);
  const canvas = useMemo(() => digest.features && picture(digest.features), [digest]);
  useEffect(() => {
    const into = holder.current;
    if (!into || !canvas) return;
    const times = Float64Array.from({ length: digest.windows }, (_, window) => digest.start + window / FRAME_RATE);
    const plot = timePlot(into, "features", {
      title: t("features.title"),
      height: HEIGHT,
      data: [times, times],
      series: [{ show: false }],
      y: { range: [0.5, DELAYS + 0.5], ticks: [1, 10, 20, 31] },
      duration: clock.duration,
      shown: [0, clock.duration],
      above: [image(canvas, digest.start)],
      withTimes: true,
      labelTime: clockTime,
      onSeek: (time) => clock.seek(time),
      onPoint: () => {},
      onZoom: () => {},
    });
    plots.set("features", plot);
    const observer = new ResizeObserver(() => plot.setSize({ width: into.clientWidth, height: HEIGHT }));
    observer.observe(into);
    return () => {
      observer.disconnect();
      plot.destroy();
      plots.delete("features");
    };
  }, [canvas, digest, clock, scheme.value]);
  if (!canvas) return <p class="faint">{t("features.none")}</p>;
  return <div ref={holder} role="img" aria-label={t("features.label")} />;
}
