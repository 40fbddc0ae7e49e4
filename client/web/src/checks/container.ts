import { BlobSource, Input, MATROSKA, MP4, MPEG_TS, QTFF, WEBM } from "mediabunny";

/** The containers of videos that can be read in a browser; what else the server reads is left to it. */
const FORMATS = [MP4, QTFF, MATROSKA, WEBM, MPEG_TS];

/** Do something with a file's container, and close it; null where it cannot be read here. */
export async function withContainer<T>(file: Blob, work: (container: Input) => Promise<T>): Promise<T | null> {
  const container = new Input({ source: new BlobSource(file), formats: FORMATS });
  try {
    return (await container.canRead()) ? await work(container) : null;
  } catch {
    return null;
  } finally {
    container.dispose();
  }
}
