import { useEffect, useState } from "preact/hooks";
import { boxAt, isSuspicious, moments, type Moment } from "../analysis/moments";
import type { Result } from "../api/types";
import type { Clock } from "../player/clock";
import { grabFace } from "../player/grab";
import { clockTime, delayWords, number, percent, t } from "../texts";
import { stillAddress } from "./verdict";

interface Props {
  result: Result;
  clock: Clock;
  file: Blob | null;
}

/** The stretches that count most, each with the face at its middle; before and after where it was restored. */
export function Moments({ result, clock, file }: Props) {
  const found = moments(result);
  const before = useBefore(result, found, file);
  if (!found.length) return <p class="faint">{t("moments.none")}</p>;
  return (
    <>
      {result.deblur.applied && (
        <p class="faint">
          {t("moments.deblurred", {
            frames: result.deblur.frames,
            before: number(result.deblur.sharpness_before, 3),
            after: number(result.deblur.sharpness_after, 3),
          })}
        </p>
      )}
      <ul class="moments">
        {found.map((moment, place) => (
          <li key={place} class={isSuspicious(moment.segment) ? "suspicious" : ""}>
            <button type="button" onClick={() => clock.seek(moment.time)}>
              <Pictures moment={moment} before={before[place] ?? null} />
              <span class="when">
                {clockTime(moment.segment.start, 1)} – {clockTime(moment.segment.end, 1)}
              </span>
              <span class="how">
                {isSuspicious(moment.segment) && <span aria-hidden="true">▲ </span>}
                {t("readout.fake", { share: percent(moment.segment.probability_fake) })}
              </span>
              <span class="faint">{delayWords(moment.segment.peak_delay)}</span>
            </button>
          </li>
        ))}
      </ul>
    </>
  );
}

function Pictures({ moment, before }: { moment: Moment; before: string | null }) {
  const time = clockTime(moment.time, 1);
  if (!moment.still) return <span class="still none">{t("moments.no.still")}</span>;
  const after = <img class="still" alt={t("moments.still", { time })} src={stillAddress(moment.still.jpeg)} />;
  if (!before) return after;
  return (
    <span class="pair">
      <span>
        <img class="still" alt={t("moments.before", { time })} src={before} />
        <small>{t("moments.before.short")}</small>
      </span>
      <span>
        {after}
        <small>{t("moments.after.short")}</small>
      </span>
    </span>
  );
}

/** The same faces as the file holds them, cut from the video itself, where frames were restored. */
function useBefore(result: Result, found: Moment[], file: Blob | null): (string | null)[] {
  const [pictures, setPictures] = useState<(string | null)[]>([]);
  useEffect(() => {
    if (!file || !result.deblur.applied) return;
    let open = true;
    void (async () => {
      const cut: (string | null)[] = [];
      for (const { segment, still, time } of found) {
        const track = result.tracks.find(({ id }) => id === segment.track);
        const box = still && track ? boxAt(track, time) : null;
        cut.push(box ? await grabFace(file, result, time, box) : null);
        if (!open) return;
      }
      setPictures(cut);
    })();
    return () => (open = false);
  }, [file, result]);
  return pictures;
}
