import { t } from "../texts";

const STEPS = 48;

/** What a reader looks for in a delay map, drawn small: a line that holds, and one that wanders. */
export function Reading() {
  return (
    <div class="reading" role="group" aria-label={t("reading.label")}>
      <figure class="holds">
        <Trace at={(step) => 32 + 1.5 * Math.sin(step * 1.9)} />
        <figcaption>{t("reading.holds")}</figcaption>
      </figure>
      <figure class="wanders">
        <Trace at={(step) => 32 + 13 * Math.sin(step * 0.42) + 11 * Math.sin(step * 1.37 + 2)} />
        <figcaption>{t("reading.wanders")}</figcaption>
      </figure>
    </div>
  );
}

function Trace({ at }: { at: (step: number) => number }) {
  const points = Array.from({ length: STEPS + 1 }, (_, step) => `${(step * 200) / STEPS} ${at(step).toFixed(1)}`);
  const path = `M${points.join("L")}`;
  return (
    <svg viewBox="0 0 200 64" aria-hidden="true" preserveAspectRatio="none">
      <path class="zero" d="M0 32H200" />
      <path class="glow" d={path} />
      <path class="line" d={path} />
    </svg>
  );
}
