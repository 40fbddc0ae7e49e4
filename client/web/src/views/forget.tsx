import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { Job } from "../store/database";
import type { Entry } from "../store/entries";
import { forget } from "../store/past";
import { t } from "../texts";

/** The video that somebody may want forgotten; asked about by {@link ForgetDialog}. */
const asked = signal<Entry | null>(null);

/** Ask whether a video that the server keeps is to be forgotten. */
export function ask(of: Entry | Job): void {
  asked.value = "here" in of ? of : { id: of.id, name: of.name, at: of.added, here: of, there: null };
}

/** Asks before anything that the server keeps is gone for good. */
export function ForgetDialog() {
  const entry = asked.value;
  return entry && <Dialog entry={entry} key={entry.id} />;
}

function Dialog({ entry }: { entry: Entry }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  const answer = (where: "everywhere" | "here" | null): void => {
    dialog.current?.close(); // which gives the focus back
    if (where) void forget(entry, where);
  };
  const name = entry.name || t("past.unnamed");
  return (
    <dialog ref={dialog} class="forget" aria-labelledby="forget-title" onClose={() => (asked.value = null)}>
      <h2 id="forget-title">{t("forget.title", { name })}</h2>
      <p>{t(entry.here ? "forget.both" : "forget.there")}</p>
      <div class="answers">
        <button type="button" autofocus onClick={() => answer(null)}>
          {t("forget.keep")}
        </button>
        {entry.here && (
          <button type="button" onClick={() => answer("here")}>
            {t("forget.here")}
          </button>
        )}
        <button type="button" class="danger" onClick={() => answer("everywhere")}>
          {t("forget.everywhere")}
        </button>
      </div>
    </dialog>
  );
}
