import { config } from "../api/config";
import { ownFailure, type Failure } from "../api/errors";

/** Containers that the server reads; the browser may call them anything. */
const EXTENSIONS = /\.(mp4|m4v|mov|qt|mkv|webm|avi|mpe?g|mts|m2ts|ts|3gp|3g2|flv|wmv|ogv|mxf)$/i;

/** What can be said of a file before it is sent; null where nothing speaks against it. */
export async function checkFile(file: File): Promise<Failure | null> {
  if (file.size === 0) return ownFailure("empty_file");
  if (!file.type.startsWith("video/") && !EXTENSIONS.test(file.name)) return ownFailure("unsupported_media");
  if (file.size > config.max_bytes) return ownFailure("too_large");
  try {
    const { checkContent } = await import("./content"); // large, and not needed to show the page
    return await checkContent(file);
  } catch {
    return null; // the server is gone: sending the file will say so
  }
}
