import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { config } from "../api/config";
import type { DetectOptions } from "../api/types";
import { submit } from "../store/queue";
import { options } from "../store/settings";
import { bytes, clockTime, t } from "../texts";
import { Icon } from "./icons";
import { Queue } from "./queue";
import { Reading } from "./reading";

/** Where videos are handed in. */
export function Start() {
  return (
    <main id="main" class="start">
      <section class="intro">
        <div>
          <h1>{t("start.title")}</h1>
          <p>{t("start.lead")}</p>
        </div>
        <Reading />
      </section>
      <DropZone />
      <Queue />
      <div class="beside">
        <Options />
        {config.samples.length > 0 && <Samples />}
      </div>
      <Limits />
    </main>
  );
}

function DropZone() {
  const over = useSignal(false);
  const input = useRef<HTMLInputElement>(null);
  const take = (files: FileList | null | undefined): void => {
    if (files?.length) void submit([...files]);
  };
  return (
    <div
      class={over.value ? "drop over" : "drop"}
      onDragOver={(event) => {
        event.preventDefault();
        over.value = true;
      }}
      onDragLeave={() => (over.value = false)}
      onDrop={(event) => {
        event.preventDefault();
        over.value = false;
        take(event.dataTransfer?.files);
      }}
    >
      <Icon name="upload" />
      <p class="call">{t("drop.call")}</p>
      <button type="button" class="main" onClick={() => input.current?.click()}>
        {t("drop.choose")}
      </button>
      <p class="faint">
        {t("drop.limits", { size: bytes(config.max_bytes), length: clockTime(config.max_seconds) })}
      </p>
      <input
        ref={input}
        hidden
        type="file"
        accept="video/*,.mkv,.avi,.mts,.m2ts,.flv,.wmv"
        multiple
        onChange={({ currentTarget }) => {
          take(currentTarget.files);
          currentTarget.value = "";
        }}
      />
    </div>
  );
}

const CHOICES = { deblur: ["auto", "always", "never"], mode: ["full", "reference"] } as const;

function Options() {
  const set = (change: Partial<DetectOptions>): void => void (options.value = { ...options.value, ...change });
  return (
    <section class="options" aria-labelledby="options-title">
      <h2 id="options-title">{t("options.title")}</h2>
      {(["deblur", "mode"] as const).map((name) => (
        <fieldset key={name}>
          <legend>{t(`options.${name}`)}</legend>
          <div class="choices">
            {CHOICES[name].map((value) => (
              <label key={value}>
                <input
                  type="radio"
                  name={name}
                  value={value}
                  checked={options.value[name] === value}
                  onChange={() => set({ [name]: value })}
                />
                <span>{t(`options.${name}.${value}`)}</span>
              </label>
            ))}
          </div>
          <p class="faint">{t(`options.${name}.${options.value[name]}.why`)}</p>
        </fieldset>
      ))}
    </section>
  );
}

function Samples() {
  const failed = useSignal(false);
  const take = async (file: string): Promise<void> => {
    try {
      const answer = await fetch(`/samples/${encodeURIComponent(file)}`);
      if (!answer.ok) throw new Error(String(answer.status));
      failed.value = false;
      await submit([new File([await answer.blob()], file, { type: "video/mp4" })]);
    } catch {
      failed.value = true;
    }
  };
  return (
    <section class="samples" aria-labelledby="samples-title">
      <h2 id="samples-title">{t("samples.title")}</h2>
      <p class="faint">{t("samples.lead")}</p>
      <ul>
        {inOrder(config.samples.map(({ file }) => file)).map((file) => (
          <li key={file}>
            <button type="button" class="sample" onClick={() => void take(file)}>
              <Icon name="film" />
              <span>
                <b>{t(`samples.${file}`)}</b>
                <small>{t(`samples.${file}.why`)}</small>
              </span>
            </button>
          </li>
        ))}
      </ul>
      {failed.value && <p role="alert">{t("samples.failed")}</p>}
    </section>
  );
}

/** From the one that holds together to those that do not. */
const ORDER = ["synchronised.mp4", "shifted.mp4", "another_voice.mp4", "remade_lips.mp4"];

function inOrder(files: string[]): string[] {
  return [...files].sort((one, other) => ORDER.indexOf(one) - ORDER.indexOf(other));
}

function Limits() {
  return (
    <section class="limits" aria-labelledby="limits-title">
      <h2 id="limits-title">{t("limits.title")}</h2>
      <ul>
        {[0, 1, 2, 3].map((number) => (
          <li key={number}>{t(`limit.${number}`)}</li>
        ))}
      </ul>
      <p class="faint">{t(config.jobs ? "start.privacy.jobs" : "start.privacy")}</p>
    </section>
  );
}
