import { useEffect, useRef, useState } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { suspiciousSpans } from "../analysis/moments";
import { FRAME_RATE, type Result } from "../api/types";
import { clockTime, t } from "../texts";
import { Icon } from "../views/icons";
import type { Clock } from "./clock";
import { playCorrected } from "./corrected";
import { FaceOverlay } from "./overlay";

interface Props {
  result: Result;
  clock: Clock;
  file: Blob | null;
  here: boolean; // whether this browser has kept the result, and may have kept the file
  /** Told the element, for whoever wants to look at its picture. */
  onVideo?: (video: HTMLVideoElement | null) => void;
}

/** The video with what was found in it. */
export function Player({ result, clock, file, here, onVideo }: Props) {
  const source = useObjectUrl(file);
  const [video, setVideo] = useState<HTMLVideoElement | null>(null);
  const [size, setSize] = useState<[number, number] | null>(null);
  const [broken, setBroken] = useState(false);
  const faces = useSignal(true);
  const frame = useRef<HTMLDivElement>(null);

  useEffect(() => {
    onVideo?.(video);
    return video ? clock.attach(video) : undefined;
  }, [video, clock]);

  if (!source || broken) {
    return (
      <div class="player missing" role="note">
        <Icon name="film" />
        <p>{t(file ? "player.unplayable" : here ? "player.gone" : "player.elsewhere")}</p>
        <SeekBar result={result} clock={clock} />
      </div>
    );
  }
  return (
    <div class="player" ref={frame}>
      <div class="screen" onClick={() => clock.toggle()}>
        <video
          ref={setVideo}
          src={source}
          playsInline
          preload="auto"
          aria-label={t("player.video")}
          onLoadedMetadata={({ currentTarget: { videoWidth, videoHeight } }) => {
            if (videoWidth) setSize([videoWidth, videoHeight]);
            else setBroken(true);
          }}
          onError={() => setBroken(true)}
        />
        {size && faces.value && <FaceOverlay result={result} clock={clock} width={size[0]} height={size[1]} />}
      </div>
      <SeekBar result={result} clock={clock} />
      <div class="controls">
        <PlayButton clock={clock} />
        <span class="time">
          <Now clock={clock} /> / {clockTime(clock.duration)}
        </span>
        <span class="spacer" />
        {video && <Corrected video={video} frames={result.offset_frames ?? 0} />}
        <button
          type="button"
          class="quiet"
          aria-pressed={faces.value}
          onClick={() => (faces.value = !faces.value)}
          title={t("player.faces")}
          aria-label={t("player.faces")}
        >
          <Icon name="face" />
        </button>
        {video && <Mute video={video} />}
        <button
          type="button"
          class="quiet"
          title={t("player.fullscreen")}
          aria-label={t("player.fullscreen")}
          onClick={() => {
            if (document.fullscreenElement) void document.exitFullscreen();
            else void frame.current?.requestFullscreen();
          }}
        >
          <Icon name="expand" />
        </button>
      </div>
    </div>
  );
}

function PlayButton({ clock }: { clock: Clock }) {
  const name = clock.playing.value ? "pause" : "play";
  return (
    <button type="button" class="round" onClick={() => clock.toggle()} aria-label={t(`player.${name}`)}>
      <Icon name={name} />
    </button>
  );
}

function Now({ clock }: { clock: Clock }) {
  return <>{clockTime(clock.time.value)}</>;
}

function SeekBar({ result, clock }: { result: Result; clock: Clock }) {
  const share = (time: number): string => `${(100 * time) / clock.duration}%`;
  return (
    <div class="seekbar">
      <div class="rail" aria-hidden="true">
        {suspiciousSpans(result).map(({ start, end }) => (
          <span class="span" key={start} style={{ left: share(start), width: share(end - start) }} />
        ))}
        <span class="played" style={{ width: share(clock.time.value) }} />
      </div>
      <input
        type="range"
        min={0}
        max={clock.duration}
        step={0.04}
        value={clock.time.value}
        aria-label={t("player.position")}
        aria-valuetext={clockTime(clock.time.value)}
        onInput={({ currentTarget }) => clock.seek(Number(currentTarget.value))}
      />
    </div>
  );
}

function Mute({ video }: { video: HTMLVideoElement }) {
  const muted = useSignal(video.muted);
  return (
    <button
      type="button"
      class="quiet"
      aria-pressed={muted.value}
      aria-label={t("player.mute")}
      title={t("player.mute")}
      onClick={() => (muted.value = video.muted = !video.muted)}
    >
      <Icon name={muted.value ? "muted" : "sound"} />
    </button>
  );
}

/** Plays with the offset of the whole video put right. */
function Corrected({ video, frames }: { video: HTMLVideoElement; frames: number }) {
  const on = useSignal(false);
  useEffect(() => (on.value ? playCorrected(video, frames / FRAME_RATE) : undefined), [on.value, video, frames]);
  if (!frames) return null;
  return (
    <button
      type="button"
      class="toggle"
      aria-pressed={on.value}
      onClick={() => (on.value = !on.value)}
      title={t("player.corrected.hint")}
    >
      <Icon name="align" /> {t("player.corrected")}
    </button>
  );
}

function useObjectUrl(file: Blob | null): string | null {
  const [address, setAddress] = useState<string | null>(null);
  useEffect(() => {
    if (!file) return setAddress(null);
    const made = URL.createObjectURL(file);
    setAddress(made);
    return () => URL.revokeObjectURL(made);
  }, [file]);
  return address;
}
