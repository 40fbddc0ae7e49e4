import { useMemo, useRef } from "preact/hooks";
import { durationOf, isSuspicious } from "../analysis/moments";
import { Distribution } from "../charts/distribution";
import { Timeline, type Plots } from "../charts/timeline";
import { Clock } from "../player/clock";
import { Player } from "../player/player";
import { address } from "../router";
import { delayWords, number, percent, t } from "../texts";
import { FailureText } from "./failure";
import { isKept, useKept, type Kept } from "./kept";
import { VerdictBadge } from "./verdict";

/** Two judged videos side by side. */
export function Compare({ left, right }: { left: string; right: string }) {
  const [one, other] = [useKept(left), useKept(right)];
  return (
    <main id="main" class="compare">
      <h1>{t("compare.title")}</h1>
      {isKept(one) && isKept(other) && <Table one={one} other={other} />}
      <div class="sides">
        {[one, other].map((kept, side) =>
          isKept(kept) ? (
            <Side key={side} kept={kept} />
          ) : kept !== "loading" && "failure" in kept ? (
            <FailureText key={side} failure={kept.failure} />
          ) : (
            <div key={side} aria-busy="true" />
          ),
        )}
      </div>
    </main>
  );
}

function Side({ kept }: { kept: Kept }) {
  const { digest, id, name, file, here } = kept;
  const clock = useMemo(() => new Clock(durationOf(digest.result)), [digest]);
  const plots = useRef<Plots>(new Map()).current;
  return (
    <section class="side" aria-label={name}>
      <h2>
        <a href={address({ page: "result", id })}>{name}</a>
      </h2>
      <VerdictBadge verdict={digest.result.verdict} probability={digest.result.probability_fake} />
      <Player result={digest.result} clock={clock} file={file} here={here} />
      <Timeline digest={digest} clock={clock} loud={null} plots={plots} />
      <h3>{t("distribution.title")}</h3>
      <Distribution mean={digest.mean} offset={digest.result.judged_offset_frames} plots={plots} />
    </section>
  );
}

function Table({ one, other }: { one: Kept; other: Kept }) {
  const rows: [string, (kept: Kept) => string][] = [
    ["verdict", ({ digest }) => t(`verdict.${digest.result.verdict}`)],
    ["probability", ({ digest }) => percent(digest.result.probability_fake)],
    ["score", ({ digest }) => number(digest.result.score)],
    ["offset", ({ digest }) => delayWords(digest.result.offset_frames)],
    ["suspicious", ({ digest: { result } }) => `${result.segments.filter(isSuspicious).length} / ${result.segments.length}`],
  ];
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={t("compare.title")}>
      <table>
        <thead>
          <tr>
            <td />
            <th scope="col">{one.name}</th>
            <th scope="col">{other.name}</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(([name, value]) => (
            <tr key={name}>
              <th scope="row">{t(`fact.${name}`)}</th>
              <td>{value(one)}</td>
              <td>{value(other)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
