import type { PageConfig } from "./types";

const DEFAULTS: PageConfig = {
  session: null,
  key_required: false,
  jobs: false,
  max_bytes: 200 * 2 ** 20,
  max_seconds: 600,
  samples: [],
};

function read(): PageConfig {
  const content = document.querySelector<HTMLMetaElement>('meta[name="outofsync-config"]')?.content;
  if (!content) return DEFAULTS;
  try {
    return { ...DEFAULTS, ...(JSON.parse(content) as Partial<PageConfig>) };
  } catch {
    return DEFAULTS;
  }
}

export const config = read();
