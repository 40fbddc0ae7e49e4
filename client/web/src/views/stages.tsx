import { STAGES } from "../api/progress";
import type { JobProgress } from "../store/jobs";
import { errorWords, remainingWords, t } from "../texts";

/** The stages of a request or job: those behind it full, the one it is in as far as it is. */
export function Stages({ name, progress }: { name: string; progress: JobProgress }) {
  const { stage, done, remaining, retry } = progress;
  const at = STAGES.indexOf(stage);
  const share = done === null ? "" : ` ${Math.round(100 * done)} %`;
  return (
    <div class="stages" role="group" aria-label={t("stages.label", { name })}>
      <ol>
        {STAGES.map((one, place) => (
          <li
            key={one}
            class={place < at ? "behind" : place === at ? (done === null ? "now open" : "now") : ""}
            aria-current={place === at ? "step" : undefined}
            title={t(`stage.${one}`)}
          >
            <span class="fill" style={{ width: place < at ? "100%" : place === at ? `${100 * (done ?? 1)}%` : "0" }} />
            <span class="hidden">{t(`stage.${one}`)}</span>
          </li>
        ))}
      </ol>
      <span class="faint">
        <span aria-live="polite">
          {retry
            ? t("job.retry", { message: wordsOf(retry), seconds: retry.seconds })
            : t(`stage.${stage}`) + share}
        </span>
        {!retry && typeof remaining === "number" && ` · ${remainingWords(remaining)}`}
      </span>
    </div>
  );
}

/** A page that is not let in has to be loaded anew: trying again alone does not help. */
function wordsOf({ code, status }: NonNullable<JobProgress["retry"]>): string {
  const told = errorWords(code, status);
  return code === "authentication" ? `${told} ${t("hint.page.authentication")}` : told;
}
