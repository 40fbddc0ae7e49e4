import { useEffect } from "preact/hooks";
import { route, type Route } from "./router";
import { jobs } from "./store/jobs";
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
  useEffect(() => {
    document.title = titleOf(route.value);
  }, [route.value, locale.value, jobs.value]);
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

function titleOf(at: Route): string {
  const name = at.page === "result" ? jobs.value.find(({ id }) => id === at.id)?.name : undefined;
  const page = { start: "header.check", history: "history.title", result: "result.title", compare: "compare.title" };
  return `${name ?? t(page[at.page])} · OutOfSync`;
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
