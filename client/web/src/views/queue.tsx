import { hasCredentials } from "../api/credentials";
import type { Job } from "../store/database";
import { jobs, progressOf } from "../store/jobs";
import { again, cancel, discard } from "../store/queue";
import { address } from "../router";
import { mayDoBetter } from "../api/errors";
import { bytes, t } from "../texts";
import { FailureText } from "./failure";
import { ask } from "./forget";
import { Icon } from "./icons";
import { Stages } from "./stages";
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
      return <Stages name={job.name} progress={progressOf.value[job.id] ?? { stage: "queued", done: null }} />;
    default:
      return (
        <span class="faint">
          {t(`job.${job.state}`)} · {bytes(job.bytes)}
        </span>
      );
  }
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
      <button type="button" class="quiet" onClick={() => (job.state === "done" && job.server ? ask(job) : void discard(job))} aria-label={t("job.remove", { name: job.name })}>
        <Icon name="bin" />
      </button>
    </span>
  );
}
