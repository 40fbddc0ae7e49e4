import { useSignal } from "@preact/signals";
import { address, go } from "../router";
import { judged, loaded, remove } from "../store/jobs";
import { clockTime, date, t } from "../texts";
import { Icon } from "./icons";
import { Thumbnail, VerdictBadge } from "./verdict";

/** What this browser has had judged; two can be put side by side. */
export function History() {
  const chosen = useSignal<string[]>([]);
  const sure = useSignal(false);
  const toggle = (id: string): void => {
    const others = chosen.value.filter((one) => one !== id);
    chosen.value = others.length < chosen.value.length ? others : [...others, id].slice(-2);
  };
  return (
    <main id="main" class="history">
      <div class="title">
        <h1>{t("history.title")}</h1>
        <button
          type="button"
          disabled={chosen.value.length !== 2}
          onClick={() => go({ page: "compare", left: chosen.value[0]!, right: chosen.value[1]! })}
        >
          <Icon name="compare" /> {t("history.compare")}
        </button>
        {judged.value.length > 0 &&
          (sure.value ? (
            <button
              type="button"
              class="danger"
              onClick={() => {
                sure.value = false;
                chosen.value = [];
                void remove(judged.value.map(({ id }) => id));
              }}
            >
              {t("history.clear.sure", { count: judged.value.length })}
            </button>
          ) : (
            <button type="button" onClick={() => (sure.value = true)}>
              <Icon name="bin" /> {t("history.clear")}
            </button>
          ))}
      </div>
      <p class="faint">{t("history.where")}</p>
      {loaded.value && !judged.value.length && <p>{t("history.empty")}</p>}
      <ul class="cards">
        {judged.value.map((job) => (
          <li key={job.id}>
            <a href={address({ page: "result", id: job.id })}>
              <Thumbnail jpeg={job.summary?.thumbnail ?? null} />
              <span class="name">{job.name}</span>
              {job.summary && <VerdictBadge verdict={job.summary.verdict} probability={job.summary.probability} />}
              <span class="faint">
                {clockTime(job.summary?.duration ?? 0)} · {date(job.added)}
              </span>
            </a>
            <span class="actions">
              <label>
                <input type="checkbox" checked={chosen.value.includes(job.id)} onChange={() => toggle(job.id)} />{" "}
                {t("history.choose")}
                <span class="hidden"> {job.name}</span>
              </label>
              <button type="button" class="quiet" onClick={() => void remove([job.id])} aria-label={t("job.remove", { name: job.name })}>
                <Icon name="bin" />
              </button>
            </span>
          </li>
        ))}
      </ul>
    </main>
  );
}
