import { config } from "../api/config";
import type { Failure } from "../api/errors";
import { bytes, clockTime, errorWords, locale, t, tOr, tUnless } from "../texts";

/** What went wrong and what to do: the server's own words, or those of the same code in another language. */
export function FailureText({ failure }: { failure: Failure }) {
  const limits = { size: bytes(config.max_bytes), length: clockTime(config.max_seconds) };
  const said = failure.message && locale.value === "en" ? sentence(failure.message) : "";
  const told = said || errorWords(failure.code, failure.status, limits);
  const message = told === `error.${failure.code}` ? sentence(failure.message) || t("error.unknown") : told;
  return (
    <p class="failure">
      <b>{message}</b> {tOr(`hint.page.${failure.code}`, tUnless(failure.hint, `hint.${failure.code}`))}
      {failure.retry_after !== undefined && <span> {t("error.later", { seconds: failure.retry_after })}</span>}
      {failure.request_id && failure.status >= 500 && (
        <small>{t("error.request", { id: failure.request_id })}</small>
      )}
    </p>
  );
}

function sentence(text: string): string {
  const trimmed = text.trim().replace(/\.$/, "");
  return trimmed ? `${trimmed[0]?.toUpperCase()}${trimmed.slice(1)}.` : "";
}
