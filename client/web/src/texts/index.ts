import { computed } from "@preact/signals";
import { FRAME_RATE } from "../api/types";
import { language } from "../store/settings";
import de from "./de.json";
import own from "./en.json";
import sdk from "./sdk.json";

/** A language is one file with these keys; add it here, and to the tests. */
type Texts = Record<string, string>;
const en: Texts = { ...own, ...sdk };
export const LANGUAGES: Record<string, { name: string; texts: Texts }> = {
  en: { name: "English", texts: en },
  de: { name: "Deutsch", texts: de },
};

function preferred(): string {
  return navigator.languages.map((tag) => tag.slice(0, 2)).find((tag) => tag in LANGUAGES) ?? "en";
}

/** The language in use. */
export const locale = computed(() => (language.value in LANGUAGES ? language.value : preferred()));
const texts = computed(() => LANGUAGES[locale.value]?.texts ?? en);

/** The text of a key in the language in use, with its {places} filled. */
export function t(key: string, values: Record<string, string | number> = {}): string {
  const text = texts.value[key] ?? en[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? ""));
}

/** As {@link t}, and what the server said where there is no text of that key. */
export function tOr(key: string, otherwise: string): string {
  return key in texts.value ? t(key) : otherwise;
}

/** What the server said, where it said more than the general sentence of that key; else that sentence. */
export function tUnless(said: string, key: string): string {
  return said && key in en && said !== en[key] ? said : tOr(key, said);
}

/** What went wrong by its code; of some codes, an answer's status tells more. */
export function errorWords(code: string, status: number, values: Record<string, string | number> = {}): string {
  const told = `error.${code}.${status}`;
  return t(told in en ? told : `error.${code}`, values);
}

/** How long something may still take, as roughly as it is known. */
export function remainingWords(seconds: number): string {
  if (seconds < 7.5) return t("remaining.moment");
  if (seconds < 57.5) return t("remaining.seconds", { count: 5 * Math.round(seconds / 5) });
  if (seconds < 90) return t("remaining.minute");
  if (seconds < 3570) return t("remaining.minutes", { count: Math.round(seconds / 60) });
  return t("remaining.hours", { count: number(seconds / 3600, 1) });
}

export function number(value: number | null | undefined, digits = 3): string {
  if (value === null || value === undefined) return "–";
  return value.toLocaleString(locale.value, { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** A probability as people read it; certainty is never claimed by rounding. */
export function percent(share: number | null | undefined): string {
  if (share === null || share === undefined) return "–";
  if (share >= 0.995 && share < 1) return "> 99 %";
  if (share > 0 && share < 0.005) return "< 1 %";
  return `${Math.round(100 * share)} %`;
}

/** A number of frames with its sign, 0 without. */
export function signed(frames: number): string {
  return frames === 0 ? "0" : `${frames > 0 ? "+" : "−"}${Math.abs(frames)}`;
}

/** A delay of the sound; positive where the sound comes late. */
export function delayWords(frames: number | null): string {
  if (frames === null) return "–";
  if (frames === 0) return t("delay.none");
  const seconds = number(Math.abs(frames) / FRAME_RATE, 2);
  const unit = t(Math.abs(frames) === 1 ? "delay.frame" : "delay.frames");
  return t(frames > 0 ? "delay.late" : "delay.early", { frames: signed(frames), unit, seconds });
}

/** 83.4 → 1:23. */
export function clockTime(seconds: number, digits = 0): string {
  const whole = Math.max(0, digits ? seconds : Math.floor(seconds + 1e-6));
  const rest = (whole % 60).toFixed(digits).padStart(digits ? digits + 3 : 2, "0");
  return `${Math.floor(whole / 60)}:${rest}`;
}

export function bytes(size: number): string {
  const [value, unit] = size < 1e5 ? [size / 1e3, "kB"] : [size / 1e6, "MB"];
  return `${value.toLocaleString(locale.value, { maximumFractionDigits: value < 10 ? 1 : 0 })} ${unit}`;
}

export function date(milliseconds: number): string {
  return new Date(milliseconds).toLocaleString(locale.value, { dateStyle: "medium", timeStyle: "short" });
}
