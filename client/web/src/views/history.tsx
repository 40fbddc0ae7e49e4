import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { config } from "../api/config";
import { apiKey, hasCredentials } from "../api/credentials";
import { JOB_STATES, type ServerState } from "../api/jobs";
import { VERDICTS, type Verdict } from "../api/types";
import { go } from "../router";
import { merge } from "../store/entries";
import { handedIn, judged, loaded, remove } from "../store/jobs";
import { failure, filter, past, readPast, reading } from "../store/past";
import { t } from "../texts";
import { FailureText } from "./failure";
import { Icon } from "./icons";
import { PastCard } from "./past_card";

/** What has been judged: by this browser's doing, and by that of whoever has the same key. */
export function History() {
  const chosen = useSignal<string[]>([]);
  const toggle = (id: string): void => {
    const others = chosen.value.filter((one) => one !== id);
    chosen.value = others.length < chosen.value.length ? others : [...others, id].slice(-2);
  };
  useEffect(
    () => void readPast(),
    [apiKey.value, filter.value, handedIn.value.length, judged.value.length],
  );
  const entries = merge(judged.value, past.value, filter.value);
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
        {judged.value.length > 0 && <Clear onClear={() => (chosen.value = [])} />}
      </div>
      <p class="faint">{t(config.jobs ? "history.where.jobs" : "history.where")}</p>
      {config.jobs && <Filters count={entries.length} />}
      {loaded.value && !entries.length && !reading.value && <p>{t(isFiltered() ? "history.none" : "history.empty")}</p>}
      <ul class="cards">
        {entries.map((entry) => (
          <li key={entry.id}>
            <PastCard entry={entry} chosen={chosen.value.includes(entry.id)} onChoose={() => toggle(entry.id)} />
          </li>
        ))}
      </ul>
      {past.value.next && (
        <button type="button" class="more" disabled={reading.value} onClick={() => void readPast(true)}>
          {t("history.more")}
        </button>
      )}
    </main>
  );
}

function isFiltered(): boolean {
  return filter.value.state !== "" || filter.value.verdict !== "";
}

/** Empties what this browser keeps, once it has been asked for twice. */
function Clear({ onClear }: { onClear: () => void }) {
  const sure = useSignal(false);
  if (!sure.value) {
    return (
      <button type="button" onClick={() => (sure.value = true)}>
        <Icon name="bin" /> {t("history.clear")}
      </button>
    );
  }
  return (
    <button
      type="button"
      class="danger"
      onClick={() => {
        onClear();
        void remove(judged.value.map(({ id }) => id));
      }}
    >
      {t(config.jobs ? "history.clear.sure.here" : "history.clear.sure", { count: judged.value.length })}
    </button>
  );
}

/** Which of the videos are shown; what the server has to say about that. */
function Filters({ count }: { count: number }) {
  return (
    <section class="filters" aria-label={t("history.filters")}>
      <Choice name="verdict" values={VERDICTS} words={(verdict) => t(`verdict.${verdict}`)} />
      <Choice name="state" values={SHOWN_STATES} words={(state) => t(`past.${state}`)} />
      <button type="button" disabled={reading.value} onClick={() => void readPast()}>
        <Icon name="again" /> {t("history.again")}
      </button>
      <p class="hidden" role="status">
        {reading.value ? t("history.reading") : t("history.count", { count })}
      </p>
      {!hasCredentials() && (
        <p class="notice">
          <Icon name="key" /> {t("history.key")}
        </p>
      )}
      {failure.value && hasCredentials() && (
        <div role="alert">
          <FailureText failure={failure.value} />
        </div>
      )}
    </section>
  );
}

/** A job is received for the moment only that it takes to queue it. */
const SHOWN_STATES = JOB_STATES.filter((state) => state !== "received");

interface ChoiceProps<T extends Verdict | ServerState> {
  name: "verdict" | "state";
  values: readonly T[];
  words: (value: T) => string;
}

function Choice<T extends Verdict | ServerState>({ name, values, words }: ChoiceProps<T>) {
  return (
    <span class="choice">
      <label for={`filter-${name}`}>{t(`history.${name}`)}</label>
      <select
        id={`filter-${name}`}
        value={filter.value[name]}
        onChange={({ currentTarget }) => (filter.value = { ...filter.value, [name]: currentTarget.value })}
      >
        <option value="">{t("history.all")}</option>
        {values.map((value) => (
          <option key={value} value={value}>
            {words(value)}
          </option>
        ))}
      </select>
    </span>
  );
}
