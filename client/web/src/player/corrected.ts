/** Farther apart than this, the sound is set anew; closer, nobody hears it. */
const TOLERANCE_S = 0.06;

/**
 * Play a video with its sound moved, early or late: the picture's own sound is muted, and a second element
 * plays the same file so many seconds ahead. What is returned puts everything back.
 */
export function playCorrected(video: HTMLVideoElement, late: number): () => void {
  const sound = new Audio(video.src);
  const controller = new AbortController();
  const wasMuted = video.muted;
  const align = (): void => {
    const place = video.currentTime + late;
    if (Math.abs(sound.currentTime - place) > TOLERANCE_S) sound.currentTime = Math.max(0, place);
  };
  const start = (): void => {
    align();
    sound.playbackRate = video.playbackRate;
    sound.volume = video.volume;
    void sound.play().catch(() => {});
  };
  const listeners: Record<string, () => void> = {
    playing: start,
    pause: () => sound.pause(),
    waiting: () => sound.pause(),
    ended: () => sound.pause(),
    seeked: align,
    timeupdate: align,
    ratechange: () => (sound.playbackRate = video.playbackRate),
    volumechange: () => (sound.volume = video.volume),
  };
  for (const [event, listen] of Object.entries(listeners)) {
    video.addEventListener(event, listen, { signal: controller.signal });
  }
  video.muted = true;
  sound.muted = wasMuted;
  if (!video.paused) start();
  return () => {
    controller.abort();
    sound.pause();
    sound.removeAttribute("src");
    video.muted = wasMuted;
  };
}
