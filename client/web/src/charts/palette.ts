/** What is drawn on a canvas cannot follow the style sheet by itself. */
const NAMES = ["ink", "faint", "line", "paper", "alarm", "alarm-wash", "accent", "calm", "speech"] as const;
export type Palette = Record<(typeof NAMES)[number], string>;

/** The page's colours as the style sheet has them now, for what is drawn on a canvas. */
export function palette(): Palette {
  const style = getComputedStyle(document.documentElement);
  return Object.fromEntries(NAMES.map((name) => [name, style.getPropertyValue(`--${name}`).trim()])) as Palette;
}
