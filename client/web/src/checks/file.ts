import { config } from "../api/config";
import { ownFailure, type Failure } from "../api/errors";

/** Containers that the server reads; the browser may call them anything. */
const EXTENSIONS = /\.(mp4|m4v|mov|qt|mkv|webm|avi|mpe?g|mts|m2ts|ts|3gp|3g2|flv|wmv|ogv|mxf)$/i;

/** What can be said of a file before it is sent; null where nothing speaks against it. */
export async function checkFile(file: File): Promise<Failure | null> {
  if (file.size === 0) return ownFailure("empty_file");
  if (!file.type.startsWith("video/") && !EXTENSIONS.test(file.name)) return ownFailure("unsupported_media");
  if (file.size > config.max_bytes) return ownFailure("too_large");
  return checkContent(file);
}

/** Length and sound, where the container can be read here; the server has the last word. */
async function checkContent(file: File): Promise<Failure | null> {
  const reader = await import("mediabunny").catch(() => null); // the server is gone: sending the file will say so
  if (!reader) return null;
  const { ALL_FORMATS, BlobSource, Input } = reader;
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
