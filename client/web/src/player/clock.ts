import { signal, type Signal } from "@preact/signals";

/** The moment that player, timeline and stills share. Works without a picture, too. */
export class Clock {
  readonly time: Signal<number> = signal(0);
  readonly playing: Signal<boolean> = signal(false);
  private video: HTMLVideoElement | null = null;
  private frame = 0;

  constructor(readonly duration: number) {}

  /** Follow a video element; what is returned lets go of it. */
  attach(video: HTMLVideoElement): () => void {
    const controller = new AbortController();
    const on = (event: string, listen: () => void): void =>
      video.addEventListener(event, listen, { signal: controller.signal });
    const tell = (): void => void (this.time.value = video.currentTime);
    const tick = (): void => {
      tell();
      this.frame = requestAnimationFrame(tick);
    };
    this.video = video;
    on("play", () => {
      this.playing.value = true;
      cancelAnimationFrame(this.frame);
      tick();
    });
    for (const event of ["pause", "ended"]) {
      on(event, () => {
        this.playing.value = false;
        cancelAnimationFrame(this.frame);
        tell();
      });
    }
    on("seeking", tell);
    return () => {
      controller.abort();
      cancelAnimationFrame(this.frame);
      this.playing.value = false;
      this.video = null;
    };
  }

  seek(time: number): void {
    const moment = Math.min(Math.max(time, 0), this.duration);
    this.time.value = moment;
    if (this.video && this.video.readyState > 0) this.video.currentTime = moment;
  }

  toggle(): void {
    if (!this.video) return;
    if (this.video.paused) void this.video.play().catch(() => {});
    else this.video.pause();
  }
}

const STEP_S = 0.2;
const LEAP_S = 5;

/** Keys that move through a video, as on a slider; true where the key was one of them. */
export function seekByKey(event: KeyboardEvent, clock: Clock): boolean {
  const now = clock.time.value;
  const places: Record<string, number> = {
    ArrowLeft: now - (event.shiftKey ? 0.04 : STEP_S),
    ArrowRight: now + (event.shiftKey ? 0.04 : STEP_S),
    PageDown: now - LEAP_S,
    PageUp: now + LEAP_S,
    Home: 0,
    End: clock.duration,
  };
  const place = places[event.key];
  if (place === undefined && event.key !== " ") return false;
  event.preventDefault();
  if (place === undefined) clock.toggle();
  else clock.seek(place);
  return true;
}
