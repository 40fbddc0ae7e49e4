import type { Result, Scalar } from "../api/types";
import { bytes, clockTime, delayWords, number, percent, t, tOr } from "../texts";
import { isSuspicious } from "../analysis/moments";

/** The figures behind a verdict, the file, and what is needed to check it later. */
export function Facts({ result }: { result: Result }) {
  const suspicious = result.segments.filter(isSuspicious).length;
  return (
    <div class="facts">
      <Table
        title={t("facts.numbers")}
        rows={[
          ["probability", percent(result.probability_fake)],
          ["score", number(result.score)],
          ["delay_score", number(result.delay_score)],
          ["feature_score", `${number(result.feature_score)} · λ ${number(result.lam, 2)}`],
          ["offset", delayWords(result.offset_frames)],
          ["confidence", number(result.offset_confidence, 2)],
          ["segments", t("facts.segments.value", { count: result.segments.length, suspicious })],
          ["faces", String(result.tracks.length)],
        ]}
      />
      <Table
        title={t("facts.file")}
        rows={[
          ["length", clockTime(Number(result.media["duration_s"]) || 0, 2)],
          ["picture", `${text(result.media["width"])} × ${text(result.media["height"])} · ${text(result.media["video_codec"])}`],
          ["rate", `${text(result.media["frame_rate"])} /s`],
          ["sound", `${text(result.media["audio_codec"])} · ${text(result.media["sample_rate"])} Hz · ${text(result.media["channels"])}`],
          ["container", text(result.media["container"])],
          ["size", bytes(Number(result.media["bytes"]) || 0)],
        ]}
      />
      <Table
        title={t("facts.later")}
        rows={[
          ["sha", result.id],
          ...Object.entries(result.models).flatMap(([model, values]) =>
            Object.entries(values).map(([name, value]): [string, string] => [`${model} ${name}`, text(value)]),
          ),
        ]}
      />
    </div>
  );
}

function Table({ title, rows }: { title: string; rows: [string, string][] }) {
  return (
    <section>
      <h3>{title}</h3>
      <dl>
        {rows.map(([name, value]) => (
          <div key={name}>
            <dt>{tOr(`fact.${name}`, name)}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

function text(value: Scalar | undefined): string {
  return value === null || value === undefined ? "–" : String(value);
}
