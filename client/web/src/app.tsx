import { useEffect } from "preact/hooks";
import { route } from "./router";
import { locale, t } from "./texts";
import { Compare } from "./views/compare";
import { Header, KeyBar } from "./views/header";
import { History } from "./views/history";
import { ResultPage } from "./views/result";
import { Start } from "./views/start";

export function App() {
  useEffect(() => {
    document.documentElement.lang = locale.value;
  }, [locale.value]);
  return (
    <>
      <a class="skip" href="#main" onClick={(event) => skip(event)}>
        {t("header.skip")}
      </a>
      <Header />
      <KeyBar />
      <Page />
    </>
  );
}

function Page() {
  const at = route.value;
  switch (at.page) {
    case "history":
      return <History />;
    case "result":
      return <ResultPage id={at.id} />;
    case "compare":
      return <Compare left={at.left} right={at.right} />;
    default:
      return <Start />;
  }
}

/** The address after # says which page is shown, so the jump to its content is made by hand. */
function skip(event: Event): void {
  event.preventDefault();
  const main = document.getElementById("main");
  main?.setAttribute("tabindex", "-1");
  main?.focus();
}
