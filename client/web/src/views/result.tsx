import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Digest } from "../analysis/digest";
import { durationOf } from "../analysis/moments";
import { Distribution } from "../charts/distribution";
import { Features } from "../charts/features";
import { Timeline, type Plots } from "../charts/timeline";
import { Clock } from "../player/clock";
import { Player } from "../player/player";
import { delayWords, t } from "../texts";
import { ExportMenu } from "./export";
import { FailureText } from "./failure";
import { Facts } from "./facts";
import { Icon } from "./icons";
import { Moments } from "./moments";
import { isKept, useKept, type Kept } from "./kept";
import { Stages } from "./stages";
import { VerdictCard } from "./verdict";

/** One judged video, opened by its id. */
export function ResultPage({ id }: { id: string }) {
  const kept = useKept(id);
  if (isKept(kept)) return <Shown kept={kept} key={id} />;
  if (kept === "loading") return <main id="main" class="result" aria-busy="true" />;
  const [title, state] =
    "progress" in kept
      ? [t("result.open"), <Stages name={t("result.title")} progress={kept.progress} />]
      : [t(kept.failure.code === "result_gone" ? "result.gone" : "result.none"), <FailureText failure={kept.failure} />];
  return (
    <main id="main" class="result">
      <h1>{title}</h1>
      {state}
      <a href="#/">{t("header.check")}</a>
    </main>
  );
}

function Shown({ kept }: { kept: Kept }) {
  const { digest, name, file, here, answer } = kept;
  const clock = useMemo(() => new Clock(durationOf(digest.result)), [digest]);
  const loud = useLoudness(file);
  const plots = useRef<Plots>(new Map()).current;
  return (
    <main id="main" class="result">
      <div class="title">
        <h1>{name}</h1>
        <CopyLink />
        <ExportMenu answer={answer} name={name} plots={plots} />
      </div>
      <div class="columns">
        <div class="left">
          <Player result={digest.result} clock={clock} file={file} here={here} />
          <section aria-labelledby="timeline-title">
            <h2 id="timeline-title">{t("timeline.title")}</h2>
            <p class="faint">{t("timeline.how")}</p>
            <Timeline digest={digest} clock={clock} loud={loud} plots={plots} />
          </section>
          <section aria-labelledby="features-title">
            <h2 id="features-title">{t("features.title")}</h2>
            <p class="faint">{t("features.how")}</p>
            <Features digest={digest} clock={clock} plots={plots} />
          </section>
        </div>
        <div class="right">
          <VerdictCard result={digest.result} />
          <OffsetCard digest={digest} />
          <section aria-labelledby="distribution-title">
            <h2 id="distribution-title">{t("distribution.title")}</h2>
            <p class="faint">{t("distribution.how")}</p>
            <Distribution mean={digest.mean} offset={digest.result.judged_offset_frames} plots={plots} />
          </section>
          <section aria-labelledby="moments-title">
            <h2 id="moments-title">{t("moments.title")}</h2>
            <Moments result={digest.result} clock={clock} file={file} />
          </section>
        </div>
      </div>
      <section aria-labelledby="facts-title">
        <h2 id="facts-title">{t("facts.title")}</h2>
        <Facts result={digest.result} />
      </section>
      <section class="limits" aria-labelledby="cannot-title">
        <h2 id="cannot-title">{t("limits.title")}</h2>
        <ul>
          {[0, 1, 2, 3].map((number) => (
            <li key={number}>{t(`limit.${number}`)}</li>
          ))}
        </ul>
      </section>
    </main>
  );
}

/** How far the sound is off over the whole video, and what that means. */
function OffsetCard({ digest }: { digest: Digest }) {
  const { offset_frames: offset, offset_confidence: confidence, judged_offset_frames: judged } = digest.result;
  if (offset === null) return null;
  return (
    <section aria-labelledby="offset-title">
      <h2 id="offset-title">{t("offset.title")}</h2>
      <p class="big">{delayWords(offset)}</p>
      <p class="faint">
        {t("offset.confidence", { share: Math.round(100 * (confidence ?? 0)) })}{" "}
        {judged !== null && judged !== offset ? t("offset.judged", { delay: delayWords(judged) }) : t("offset.meaning")}
      </p>
    </section>
  );
}

function CopyLink() {
  const [copied, setCopied] = useState(false);
  return (
    <button
      type="button"
      class="quiet wide"
      onClick={() =>
        void navigator.clipboard?.writeText(location.href).then(() => {
          setCopied(true);
          setTimeout(() => setCopied(false), 2000);
        })
      }
    >
      <Icon name={copied ? "check" : "link"} /> <span aria-live="polite">{t(copied ? "link.copied" : "link.copy")}</span>
    </button>
  );
}

/** How loud the video is along its time; decoded here, once the page stands. */
function useLoudness(file: Blob | null): Float32Array | null {
  const [loud, setLoud] = useState<Float32Array | null>(null);
  useEffect(() => {
    if (!file) return;
    const controller = new AbortController();
    const listen = async (): Promise<void> => {
      const { loudness } = await import("../analysis/loudness");
      const found = await loudness(file, controller.signal);
      if (!controller.signal.aborted) setLoud(found);
    };
    listen().catch(() => {}); // without the server, its row is missing; the rest is here
    return () => controller.abort();
  }, [file]);
  return loud;
}
