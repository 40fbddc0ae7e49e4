import { render } from "preact";
import { App } from "./app";
import { workThroughQueue } from "./store/queue";
import "./styles/index.css";

// A file dropped beside the drop zone must not replace the page.
for (const event of ["dragover", "drop"]) window.addEventListener(event, (dropped) => dropped.preventDefault());

render(<App />, document.getElementById("page") as HTMLElement);
void workThroughQueue();
