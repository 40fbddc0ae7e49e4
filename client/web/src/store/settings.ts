import { computed, effect, signal, type Signal } from "@preact/signals";
import type { DetectOptions } from "../api/types";

export type Theme = "auto" | "light" | "dark";

/** A choice that the browser remembers, where it may. */
function remembered<T>(name: string, otherwise: T): Signal<T> {
  let value = otherwise;
  try {
    const kept = localStorage.getItem(`outofsync.${name}`);
    if (kept !== null) value = JSON.parse(kept) as T;
  } catch {
    // nothing may be kept here: the choice lasts as long as the page
  }
  const choice = signal(value);
  effect(() => {
    try {
      localStorage.setItem(`outofsync.${name}`, JSON.stringify(choice.value));
    } catch {
      // as above
    }
  });
  return choice;
}

export const theme = remembered<Theme>("theme", "auto");
export const language = remembered<string>("language", "");
export const options = remembered<DetectOptions>("options", { deblur: "auto", mode: "full" });

const dark = window.matchMedia("(prefers-color-scheme: dark)");
const prefersDark = signal(dark.matches);
dark.addEventListener("change", () => (prefersDark.value = dark.matches));

/** The colours in use. */
export const scheme = computed(() =>
  theme.value === "auto" ? (prefersDark.value ? "dark" : "light") : theme.value,
);

effect(() => {
  document.documentElement.dataset["theme"] = scheme.value;
});
