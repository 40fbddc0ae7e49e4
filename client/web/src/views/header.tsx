import { config } from "../api/config";
import { apiKey, refused } from "../api/credentials";
import { address, route } from "../router";
import { language, theme, type Theme } from "../store/settings";
import { LANGUAGES, locale, t } from "../texts";
import { Icon, type IconName } from "./icons";

const THEMES: Record<Theme, { next: Theme; icon: IconName }> = {
  auto: { next: "light", icon: "half" },
  light: { next: "dark", icon: "sun" },
  dark: { next: "auto", icon: "moon" },
};

export function Header() {
  const { page } = route.value;
  const here = (name: string): { "aria-current"?: "page" } => (page === name ? { "aria-current": "page" } : {});
  return (
    <header class="top">
      <a class="brand" href={address({ page: "start" })} aria-label={t("header.home")}>
        <Mark /> OutOfSync
      </a>
      <nav aria-label={t("header.pages")}>
        <a href={address({ page: "start" })} {...here("start")}>
          {t("header.check")}
        </a>
        <a href={address({ page: "history" })} {...here("history")}>
          {t("header.history")}
        </a>
      </nav>
      <span class="spacer" />
      <label class="language">
        <span class="hidden">{t("header.language")}</span>
        <select value={locale.value} onChange={({ currentTarget }) => (language.value = currentTarget.value)}>
          {Object.entries(LANGUAGES).map(([tag, { name }]) => (
            <option key={tag} value={tag} lang={tag}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <button
        type="button"
        class="quiet"
        onClick={() => (theme.value = THEMES[theme.value].next)}
        aria-label={t(`header.theme.${theme.value}`)}
        title={t(`header.theme.${theme.value}`)}
      >
        <Icon name={THEMES[theme.value].icon} />
      </button>
    </header>
  );
}

/** Two waves, one behind the other. */
function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 24" aria-hidden="true">
      <path class="lips" d="M2 9c3.500-8 7-8 10.500 0S19.500 17 23 9" />
      <path class="voice" d="M8 15c3.500-8 7-8 10.500 0S25.500 23 29 15" />
    </svg>
  );
}

/** Asks for the API key where the server wants one; it stays in memory. */
export function KeyBar() {
  if (!config.key_required) return null;
  const missing = apiKey.value === "";
  return (
    <form
      class={missing ? "keybar missing" : "keybar"}
      onSubmit={(event) => {
        event.preventDefault();
        const field = event.currentTarget.elements.namedItem("key") as HTMLInputElement;
        refused.value = false;
        apiKey.value = field.value.trim();
        field.value = "";
      }}
    >
      <Icon name="key" />
      {missing ? (
        <>
          <label for="key">{t("key.label")}</label>
          <input id="key" name="key" type="password" autocomplete="off" spellcheck={false} required />
          <button type="submit">{t("key.use")}</button>
          {refused.value ? <strong role="alert">{t("key.refused")}</strong> : <small>{t("key.memory")}</small>}
        </>
      ) : (
        <>
          <span>{t("key.held")}</span>
          <button type="button" class="quiet" onClick={() => (apiKey.value = "")}>
            {t("key.forget")}
          </button>
        </>
      )}
    </form>
  );
}
