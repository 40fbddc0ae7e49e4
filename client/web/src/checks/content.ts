import { config } from "../api/config";
import { ownFailure, type Failure } from "../api/errors";
import { withContainer } from "./container";

/** Length and sound, where the container can be read here; the server has the last word. */
export function checkContent(file: File): Promise<Failure | null> {
  return withContainer(file, async (container) => {
    if (!(await container.getPrimaryVideoTrack())) return ownFailure("no_video");
    if (!(await container.getPrimaryAudioTrack())) return ownFailure("no_audio");
    if ((await container.computeDuration()) > config.max_seconds) return ownFailure("too_long");
    return null;
  });
}
