/** Colour scales that stay readable without colour vision: one that only gets lighter, one of two hues. */

type Colour = readonly [number, number, number];

/** Dark to light: lightness alone tells the order. */
const RISING: readonly Colour[] = [
  [8, 14, 24],
  [28, 30, 78],
  [82, 28, 109],
  [136, 38, 106],
  [186, 54, 85],
  [227, 89, 51],
  [249, 142, 9],
  [249, 201, 50],
  [252, 255, 164],
];

/** Blue below, orange above; the two differ for every kind of colour vision. */
const BELOW: Colour = [45, 125, 210];
const ABOVE: Colour = [240, 125, 40];

/** The colour of a share from 0 to 1. */
export function rising(share: number): Colour {
  const place = Math.min(Math.max(share, 0), 1) * (RISING.length - 1);
  const index = Math.min(Math.floor(place), RISING.length - 2);
  const from = RISING[index] as Colour;
  const to = RISING[index + 1] as Colour;
  const mix = (channel: 0 | 1 | 2): number =>
    from[channel] + (to[channel] - from[channel]) * (place - index);
  return [mix(0), mix(1), mix(2)];
}

/** The colour of a signed share and how opaque it is, so that zero vanishes on any ground. */
export function signed(share: number): readonly [...Colour, number] {
  const size = Math.min(Math.abs(share), 1);
  return [...(share < 0 ? BELOW : ABOVE), 255 * size];
}
