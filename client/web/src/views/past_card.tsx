import { config } from "../api/config";
import { isUnfinished } from "../api/jobs";
import { address } from "../router";
import type { Entry } from "../store/entries";
import { remove } from "../store/jobs";
import { forget, readPast } from "../store/past";
import { cancel } from "../store/queue";
import { clockTime, date, t } from "../texts";
import { FailureText } from "./failure";
import { ask } from "./forget";
import { Icon } from "./icons";
import { Thumbnail, VerdictBadge } from "./verdict";

interface Props {
  entry: Entry;
  chosen: boolean;
  onChoose: () => void;
}

/** One video of the past, and what can be done about it. */
export function PastCard({ entry, chosen, onChoose }: Props) {
  const name = entry.name || t("past.unnamed");
  const done = entry.here !== null || entry.there?.state === "done";
  const open = entry.there !== null && isUnfinished(entry.there.state);
  const what = <What entry={entry} name={name} />;
  return (
    <>
      {done || open ? <a href={address({ page: "result", id: entry.id })}>{what}</a> : <div class="what">{what}</div>}
      <span class="actions">
        {done ? (
          <label>
            <input type="checkbox" checked={chosen} onChange={onChoose} /> {t("history.choose")}
            <span class="hidden"> {name}</span>
          </label>
        ) : (
          <span />
        )}
        {open ? (
          <button type="button" class="quiet" onClick={() => void cancelEntry(entry)} aria-label={t("job.cancel", { name })}>
            <Icon name="cross" />
          </button>
        ) : (
          <button
            type="button"
            class="quiet"
            onClick={() => (entry.there ? ask(entry) : entry.here && void remove([entry.here.id]))}
            aria-label={t("job.remove", { name })}
          >
            <Icon name="bin" />
          </button>
        )}
      </span>
    </>
  );
}

async function cancelEntry(entry: Entry): Promise<void> {
  if (entry.here) await cancel(entry.here.id);
  else await forget(entry, "everywhere"); // which cancels first what has not ended
  await readPast();
}

function What({ entry: { here, there, at }, name }: { entry: Entry; name: string }) {
  const verdict = here?.summary?.verdict ?? there?.verdict;
  return (
    <>
      <Thumbnail jpeg={here?.summary?.thumbnail ?? null} />
      <span class="name">{name}</span>
      {verdict ? (
        <VerdictBadge verdict={verdict} probability={here?.summary?.probability ?? null} />
      ) : there?.failure ? (
        <FailureText failure={there.failure} />
      ) : (
        there && <span class="state">{t(`past.${there.state}`)}</span>
      )}
      <span class="faint">
        {here?.summary && `${clockTime(here.summary.duration)} · `}
        {date(at)}
        {config.jobs && ` · ${t(here && there ? "past.where.both" : here ? "past.where.here" : "past.where.there")}`}
      </span>
    </>
  );
}
