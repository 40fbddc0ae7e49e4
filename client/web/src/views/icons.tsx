/** Line drawings, 24 px a side, in the colour of the text around them. */
const PATHS = {
  play: "M7 4.5v15l12-7.5z",
  pause: "M8 5v14M16 5v14",
  film: "M4 5h16v14H4zM8 5v14M16 5v14M4 9.5h4M4 14.5h4M16 9.5h4M16 14.5h4",
  face: "M4 8V5a1 1 0 0 1 1-1h3M16 4h3a1 1 0 0 1 1 1v3M20 16v3a1 1 0 0 1-1 1h-3M8 20H5a1 1 0 0 1-1-1v-3M9.5 10v.5M14.5 10v.5M9 14.5c1.800 1.400 4.200 1.400 6 0",
  expand: "M9 4H4v5M15 4h5v5M9 20H4v-5M15 20h5v-5",
  sound: "M4 10v4h3l5 4V6l-5 4zM16 9c1.500 1.700 1.500 4.300 0 6M18.500 6.500c3 3.100 3 7.900 0 11",
  muted: "M4 10v4h3l5 4V6l-5 4zM16 9.500l5 5M21 9.500l-5 5",
  align: "M3 8c2-4 4-4 6 0s4 4 6 0 4-4 6 0M3 17c2-4 4-4 6 0s4 4 6 0 4-4 6 0",
  upload: "M12 16V5M7 9.500 12 4.500l5 5M4 16v3a1 1 0 0 0 1 1h14a1 1 0 0 0 1-1v-3",
  download: "M12 4v11M7 10.500l5 5 5-5M4 16v3a1 1 0 0 0 1 1h14a1 1 0 0 0 1-1v-3",
  check: "M5 12.500 10 17.500 19.500 7",
  alarm: "M12 4 2.500 20h19zM12 10v4.500M12 17.200v.3",
  question: "M9 9a3 3 0 1 1 4.500 2.600c-1 .6-1.500 1.200-1.500 2.400M12 17.200v.3",
  cross: "M6 6l12 12M18 6 6 18",
  again: "M19 12a7 7 0 1 1-2.200-5.100M19 3.500V8h-4.500",
  bin: "M5 7h14M10 7V4.500h4V7M7 7l1 13h8l1-13",
  clock: "M12 3.500a8.500 8.500 0 1 0 0 17 8.500 8.500 0 0 0 0-17M12 8v4.500l3 2",
  compare: "M4 5h7v14H4zM13 5h7v14h-7z",
  link: "M10 14a4 4 0 0 0 6 .4l3-3a4 4 0 0 0-5.700-5.700L12 7M14 10a4 4 0 0 0-6-.4l-3 3a4 4 0 0 0 5.700 5.700L12 17",
  sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8M12 2.500v2M12 19.500v2M2.500 12h2M19.500 12h2M5.300 5.300l1.400 1.400M17.300 17.300l1.400 1.400M5.300 18.700l1.400-1.400M17.300 6.700l1.400-1.400",
  moon: "M19.500 14.500A8 8 0 0 1 9.500 4.500a8 8 0 1 0 10 10",
  half: "M12 4a8 8 0 1 0 0 16zM12 4a8 8 0 0 1 0 16",
  key: "M14.500 4.500a5 5 0 1 0-3.600 8.400L5 18.700V21h3v-2h2v-2h2l1.300-1.300a5 5 0 0 0 1.200-11.200M16 8v.1",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" data-filled={name === "play" || undefined}>
      <path d={PATHS[name]} />
    </svg>
  );
}
