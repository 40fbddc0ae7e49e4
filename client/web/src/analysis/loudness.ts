import { AudioBufferSink } from "mediabunny";
import { withContainer } from "../checks/container";

/** Values a second: one for each frame of the grid. */
export const RATE = 25;
const FLOOR_DB = -60;

/** How loud the sound is along the file, 0 (silent) to 1, {@link RATE} values a second; null where unknown. */
export function loudness(file: Blob, signal: AbortSignal): Promise<Float32Array | null> {
  return withContainer(file, async (container) => {
    const track = await container.getPrimaryAudioTrack();
    if (!track || !(await track.canDecode())) return null; // the server could
    const sums = new Float64Array(Math.ceil((await track.computeDuration()) * RATE) + 1);
    const counts = new Float64Array(sums.length);
    for await (const { buffer, timestamp } of new AudioBufferSink(track).buffers()) {
      if (signal.aborted) return null;
      addPower(buffer, timestamp, sums, counts);
    }
    return Float32Array.from(sums, (sum, place) => {
      const decibels = 10 * Math.log10(sum / Math.max(counts[place]!, 1) + 1e-12);
      return Math.max(0, 1 - decibels / FLOOR_DB);
    });
  });
}

function addPower(buffer: AudioBuffer, from: number, sums: Float64Array, counts: Float64Array): void {
  const samples = buffer.getChannelData(0);
  for (let sample = 0; sample < samples.length; sample++) {
    const place = Math.floor((from + sample / buffer.sampleRate) * RATE);
    if (place < 0 || place >= sums.length) continue;
    sums[place]! += samples[sample]! ** 2;
    counts[place]! += 1;
  }
}
