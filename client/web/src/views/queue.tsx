import { hasCredentials } from "../api/credentials";
import type { Job } from "../store/database";
import { jobs, progressOf, remove, type JobProgress } from "../store/jobs";
import { again, cancel } from "../store/queue";
import { address } from "../router";
import { mayDoBetter } from "../api/errors";
import { STAGES } from "../api/progress";
import { bytes, t } from "../texts";
import { FailureText } from "./failure";
import { Icon } from "./icons";
import { Thumbnail, VerdictBadge } from "./verdict";

const SHOWN = 12;

/** What was handed in lately, and how it goes. */
export function Queue() {
  const list = jobs.value.slice(0, SHOWN);
  const open = jobs.value.filter(({ state }) => state === "waiting" || state === "running").length;
  if (!list.length) return null;
  return (
    <section class="queue" aria-labelledby="queue-title">
      <h2 id="queue-title">{t("queue.title")}</h2>
      <p class="hidden" role="status">
        {open ? t("queue.open", { count: open }) : t("queue.none.open")}
      </p>
      {open > 0 && !hasCredentials() && (
        <p class="notice">
          <Icon name="key" /> {t("queue.key")}
        </p>
      )}
      <ul class="jobs">
        {list.map((job) => (
          <li key={job.id} class={`job ${job.state}`}>
            <JobCard job={job} />
          </li>
        ))}
      </ul>
      {jobs.value.length > SHOWN && <a href={address({ page: "history" })}>{t("queue.more")}</a>}
    </section>
  );
}

function JobCard({ job }: { job: Job }) {
  return (
    <>
      <Thumbnail jpeg={job.summary?.thumbnail ?? null} />
      <div class="what">
        {job.state === "done" ? (
          <a class="name" href={address({ page: "result", id: job.id })}>
            {job.name}
          </a>
        ) : (
          <span class="name">{job.name}</span>
        )}
        <State job={job} />
      </div>
      <Actions job={job} />
    </>
  );
}

function State({ job }: { job: Job }) {
  switch (job.state) {
    case "done":
      return job.summary ? <VerdictBadge verdict={job.summary.verdict} probability={job.summary.probability} /> : null;
    case "failed":
      return job.failure ? <FailureText failure={job.failure} /> : null;
    case "running":
      return <Stages job={job} />;
    default:
      return (
        <span class="faint">
          {t(`job.${job.state}`)} · {bytes(job.bytes)}
        </span>
      );
  }
}

/** The stages of a request: those behind it full, the one it is in as far as it is. */
function Stages({ job }: { job: Job }) {
  const { stage, done, retry }: JobProgress = progressOf.value[job.id] ?? { stage: "queued", done: null };
  const at = STAGES.indexOf(stage);
  const share = done === null ? "" : ` ${Math.round(100 * done)} %`;
  return (
    <div class="stages" role="group" aria-label={t("stages.label", { name: job.name })}>
      <ol>
        {STAGES.map((name, place) => (
          <li
            key={name}
            class={place < at ? "behind" : place === at ? (done === null ? "now open" : "now") : ""}
            aria-current={place === at ? "step" : undefined}
            title={t(`stage.${name}`)}
          >
            <span class="fill" style={{ width: place < at ? "100%" : place === at ? `${100 * (done ?? 1)}%` : "0" }} />
            <span class="hidden">{t(`stage.${name}`)}</span>
          </li>
        ))}
      </ol>
      <span class="faint" aria-live="polite">
        {retry
          ? t("job.retry", { message: t(`error.${retry.code}`), seconds: retry.seconds })
          : t(`stage.${stage}`) + share}
      </span>
    </div>
  );
}

function Actions({ job }: { job: Job }) {
  if (job.state === "waiting" || job.state === "running") {
    return (
      <button type="button" class="quiet" onClick={() => void cancel(job.id)} aria-label={t("job.cancel", { name: job.name })}>
        <Icon name="cross" />
      </button>
    );
  }
  const repeatable = job.state === "cancelled" || (job.failure !== undefined && mayDoBetter(job.failure));
  return (
    <span class="actions">
      {job.state === "done" && (
        <a class="button" href={address({ page: "result", id: job.id })} aria-label={t("job.open.label", { name: job.name })}>
          {t("job.open")}
        </a>
      )}
      {repeatable && (
        <button type="button" class="quiet" onClick={() => void again(job.id)} aria-label={t("job.again", { name: job.name })}>
          <Icon name="again" />
        </button>
      )}
      <button type="button" class="quiet" onClick={() => void remove([job.id])} aria-label={t("job.remove", { name: job.name })}>
        <Icon name="bin" />
      </button>
    </span>
  );
}
