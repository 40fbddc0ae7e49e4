import { useSignal } from "@preact/signals";
import { RequestError, type Failure } from "../api/errors";
import { report, type ReportFormat } from "../api/report";
import { plotAsPng } from "../charts/export";
import type { Plots } from "../charts/timeline";
import { t } from "../texts";
import { FailureText } from "./failure";
import { Icon } from "./icons";

const FORMATS: ReportFormat[] = ["html", "pdf", "csv", "json"];
const CHARTS = ["probability", "delay", "speech", "map", "distribution", "features"];

interface Props {
  answer: Blob;
  name: string;
  plots: Plots;
}

/** Everything that can be taken away: reports as the SDK writes them, numbers, and each chart as a picture. */
export function ExportMenu({ answer, name, plots }: Props) {
  const busy = useSignal<string | null>(null);
  const failure = useSignal<Failure | null>(null);
  const drawn = useSignal<string[]>([]);
  const stem = name.replace(/\.[^.]*$/, "") || "video";
  const take = async (what: string, file: string, make: () => Promise<Blob>): Promise<void> => {
    busy.value = what;
    failure.value = null;
    try {
      save(await make(), file);
    } catch (error) {
      failure.value = error instanceof RequestError ? error.failure : null;
    }
    busy.value = null;
  };
  return (
    <details class="menu" onToggle={() => (drawn.value = CHARTS.filter((chart) => plots.has(chart)))}>
      <summary>
        <Icon name="download" /> {t("export.title")}
      </summary>
      <div class="sheet">
        {FORMATS.map((format) => (
          <button
            type="button"
            key={format}
            disabled={busy.value !== null}
            onClick={() =>
              void take(format, `${stem}_${format === "csv" ? "delays" : "report"}.${format}`, () =>
                format === "json" ? Promise.resolve(answer) : report(answer, name, format),
              )
            }
          >
            {t(`export.${format}`)} {busy.value === format && <span class="spinner" />}
          </button>
        ))}
        <p>{t("export.charts")}</p>
        {drawn.value.map((chart) => (
          <button
            type="button"
            key={chart}
            disabled={busy.value !== null}
            onClick={() => {
              const plot = plots.get(chart);
              if (plot) void take(chart, `${stem}_${chart}.png`, () => plotAsPng(plot, `${t(`chart.${chart}`)} · ${name}`));
            }}
          >
            PNG: {t(`chart.${chart}`)}
          </button>
        ))}
        {failure.value && <FailureText failure={failure.value} />}
      </div>
    </details>
  );
}

function save(blob: Blob, file: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = file;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
