import { ALL_FORMATS, BlobSource, Input } from "mediabunny";
import { config } from "../api/config";
import { ownFailure, type Failure } from "../api/errors";

/** Length and sound, where the container can be read here; the server has the last word. */
export async function checkContent(file: File): Promise<Failure | null> {
  const input = new Input({ source: new BlobSource(file), formats: ALL_FORMATS });
  try {
    if (!(await input.canRead())) return null;
    if (!(await input.getPrimaryVideoTrack())) return ownFailure("no_video");
    if (!(await input.getPrimaryAudioTrack())) return ownFailure("no_audio");
    if ((await input.computeDuration()) > config.max_seconds) return ownFailure("too_long");
    return null;
  } catch {
    return null;
  } finally {
    input.dispose();
  }
}
