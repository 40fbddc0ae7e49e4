import { useEffect } from "preact/hooks";
import { route, type Route } from "./router";
import { jobs } from "./store/jobs";
import { opened } from "./store/past";
import { locale, t } from "./texts";
import { Compare } from "./views/compare";
import { ForgetDialog } from "./views/forget";
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
  }, [route.value, locale.value, jobs.value, opened.value]);
  return (
    <>
      <a class="skip" href="#main" onClick={(event) => skip(event)}>
        {t("header.skip")}
      </a>
      <Header />
      <KeyBar />
      <Page />
      <ForgetDialog />
    </>
  );
}

function titleOf(at: Route): string {
  const name = at.page === "result" ? nameOf(at.id) : undefined;
  const page = { start: "header.check", history: "history.title", result: "result.title", compare: "compare.title" };
  return `${name ?? t(page[at.page])} · OutOfSync`;
}

function nameOf(sought: string): string | undefined {
  return jobs.value.find(({ id }) => id === sought)?.name ?? opened.value[sought];
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
