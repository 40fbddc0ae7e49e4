import { signal } from "@preact/signals";
import { config } from "./config";

/** The API key, where the server wants one: kept in memory alone, gone with the tab. */
export const apiKey = signal("");

/** Whether the server did not take the last key. */
export const refused = signal(false);

/** Give up the key that the server does not take; whatever waits goes on with the next one. */
export function refuseKey(): void {
  apiKey.value = "";
  refused.value = true;
}

/** Whether requests can be sent now. */
export function hasCredentials(): boolean {
  return !config.key_required || apiKey.value !== "";
}

/** The header that opens the server, if any is needed. */
export function authorization(): Record<string, string> {
  const token = config.session ?? apiKey.value;
  return token ? { Authorization: `Bearer ${token}` } : {};
}
