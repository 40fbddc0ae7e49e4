import type { Result, Verdict } from "../api/types";
import { percent, t, tOr } from "../texts";
import { Icon, type IconName } from "./icons";

const ICONS: Record<Verdict, IconName> = {
  real: "check",
  likely_real: "check",
  likely_fake: "alarm",
  fake: "alarm",
  inconclusive: "question",
};

/** A verdict in a word, a sign and a colour, so that none of the three is needed alone. */
export function VerdictBadge({ verdict, probability }: { verdict: Verdict; probability?: number | null }) {
  return (
    <span class={`badge ${verdict}`}>
      <Icon name={ICONS[verdict] ?? "question"} /> {tOr(`verdict.${verdict}`, verdict)}
      {probability !== undefined && probability !== null && <small>{percent(probability)}</small>}
    </span>
  );
}

/** The verdict of a video, how likely that is, and why. */
export function VerdictCard({ result }: { result: Result }) {
  return (
    <section class={`verdict ${result.verdict}`} aria-labelledby="verdict-title">
      <h2 id="verdict-title">
        <Icon name={ICONS[result.verdict] ?? "question"} /> {tOr(`verdict.${result.verdict}`, result.verdict)}
      </h2>
      <p class="headline">{tOr(`headline.${result.verdict}`, "")}</p>
      <Scale probability={result.probability_fake} />
      <h3>{t("verdict.reasons")}</h3>
      <ul class="reasons">
        {result.reasons.map(({ code, message }) => (
          <li key={code}>{tOr(`reason.${code}`, message)}</li>
        ))}
      </ul>
      <Parts parts={result.parts ?? {}} />
      {result.probability_aligned !== null && result.probability_aligned !== undefined && (
        <p>{t("verdict.aligned", { share: percent(result.probability_aligned) })}</p>
      )}
    </section>
  );
}

function Scale({ probability }: { probability: number | null }) {
  if (probability === null) return <p class="faint">{t("verdict.no.probability")}</p>;
  return (
    <div class="scale" role="img" aria-label={t("verdict.probability.label", { share: percent(probability) })}>
      <p>
        <b>{percent(probability)}</b> {t("verdict.probability")}
      </p>
      <div class="ruler">
        <span class="needle" style={{ left: `${100 * probability}%` }} />
      </div>
      <div class="ends">
        <span>{t("verdict.genuine")}</span>
        <span>{t("verdict.manipulated")}</span>
      </div>
    </div>
  );
}

/** What each part of the method says alone. */
function Parts({ parts }: { parts: Record<string, number> }) {
  const named = Object.entries(parts);
  if (!named.length) return null;
  return (
    <dl class="parts">
      {named.map(([name, share]) => (
        <div key={name}>
          <dt>{tOr(`part.${name}`, name)}</dt>
          <dd>
            <span class="bar" aria-hidden="true">
              <span style={{ width: `${100 * share}%` }} />
            </span>
            {percent(share)}
          </dd>
        </div>
      ))}
    </dl>
  );
}

export function Thumbnail({ jpeg }: { jpeg: string | null }) {
  return jpeg ? (
    <img class="thumbnail" alt="" src={stillAddress(jpeg)} />
  ) : (
    <span class="thumbnail none">
      <Icon name="film" />
    </span>
  );
}

const made = new Map<string, string>();

/** An address for a still; pictures in the page's own address (data:) would be long to keep in the tree. */
export function stillAddress(jpeg: string): string {
  const known = made.get(jpeg);
  if (known) return known;
  const bytes = Uint8Array.from(atob(jpeg), (letter) => letter.charCodeAt(0));
  const address = URL.createObjectURL(new Blob([bytes], { type: "image/jpeg" }));
  made.set(jpeg, address);
  return address;
}
