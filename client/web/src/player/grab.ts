import type { Box, Result } from "../api/types";

const SIDE = 192;

/** The face in a box (px of the file) at a moment, cut from the file itself; null where it cannot be played. */
export async function grabFace(file: Blob, result: Result, time: number, box: Box): Promise<string | null> {
  const address = URL.createObjectURL(file);
  const video = document.createElement("video");
  try {
    video.muted = true;
    video.src = address;
    await once(video, "loadeddata");
    video.currentTime = time;
    await once(video, "seeked");
    const scale = video.videoWidth / (Number(result.media["width"]) || video.videoWidth);
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = SIDE;
    const [x0, y0, x1, y1] = box.map((edge) => edge * scale) as Box;
    canvas.getContext("2d")?.drawImage(video, x0, y0, x1 - x0, y1 - y0, 0, 0, SIDE, SIDE);
    const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.92));
    return blob && URL.createObjectURL(blob);
  } catch {
    return null;
  } finally {
    video.removeAttribute("src");
    URL.revokeObjectURL(address);
  }
}

function once(video: HTMLVideoElement, event: string): Promise<void> {
  return new Promise((resolve, reject) => {
    video.addEventListener(event, () => resolve(), { once: true });
    video.addEventListener("error", () => reject(new Error("cannot be played")), { once: true });
  });
}
