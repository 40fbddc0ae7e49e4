import { signal } from "@preact/signals";

export type Route =
  | { page: "start" }
  | { page: "history" }
  | { page: "result"; id: string }
  | { page: "compare"; left: string; right: string };

export const route = signal<Route>(parse(location.hash));

window.addEventListener("hashchange", () => {
  route.value = parse(location.hash);
  window.scrollTo(0, 0);
});

export function parse(hash: string): Route {
  const [page, one, other] = hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
  if (page === "history") return { page };
  if (page === "result" && one) return { page, id: one };
  if (page === "compare" && one && other) return { page, left: one, right: other };
  return { page: "start" };
}

export function address(to: Route): string {
  switch (to.page) {
    case "start":
      return "#/";
    case "history":
      return "#/history";
    case "result":
      return `#/result/${to.id}`;
    case "compare":
      return `#/compare/${to.left}/${to.right}`;
  }
}

export function go(to: Route): void {
  location.hash = address(to);
}
