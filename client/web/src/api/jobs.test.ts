import { afterEach, expect, test, vi } from "vitest";
import { RequestError } from "./errors";
import type { StageProgress } from "./progress";

vi.mock("./credentials", () => ({ authorization: () => ({ Authorization: "Bearer k" }) }));
const { endJob, followJob, handIn, isServerId, listJobs, progressOf } = await import("./jobs");

const ID = "0123456789abcdef".repeat(2);
const { signal } = new AbortController();
const asked: Request[] = [];

afterEach(() => {
  asked.length = 0;
  vi.unstubAllGlobals();
});

function answer(status: number, body: string, headers: Record<string, string> = {}): void {
  vi.stubGlobal("fetch", async (path: string, request: RequestInit) => {
    asked.push(new Request(new URL(path, "http://page"), request));
    return new Response(status === 204 ? null : body, { status, headers });
  });
}

function error(code: string): string {
  return JSON.stringify({ error: { code, message: "m", hint: "h", stage: "edge", request_id: "r", status: 0 } });
}

async function failure(work: Promise<unknown>): Promise<RequestError["failure"]> {
  const caught = await work.catch((one: unknown) => one);
  expect(caught).toBeInstanceOf(RequestError);
  return (caught as RequestError).failure;
}

test("a job is told of until its own end", async () => {
  const said = [
    { state: "queued", stage: null, done: null },
    { state: "running", stage: "faces", done: 0.5, remaining_s: 40 },
    { state: "running", stage: "compare", done: 0.1 },
  ];
  const lines = said.map((one) => `event: progress\ndata: ${JSON.stringify(one)}\n\n`);
  answer(200, `${lines.join("")}event: end\ndata: {"state": "done"}\n\n`);
  const told: StageProgress[] = [];
  expect(await followJob(ID, signal, (progress) => told.push(progress))).toBe(true);
  expect(told).toEqual([
    { stage: "queued", done: null },
    { stage: "faces", done: 0.5, remaining: 40 },
    { stage: "compare", done: 0.1, remaining: null },
  ]);
  expect(asked[0]?.headers.get("Authorization")).toBe("Bearer k");
});

test("a stream that breaks, or is refused, is no end", async () => {
  answer(200, 'data: {"state": "running", "stage": "faces", "done": 0.5}\n\n');
  expect(await followJob(ID, signal, () => {})).toBe(false);
  answer(503, error("busy"));
  expect(await followJob(ID, signal, () => {})).toBe(false);
});

test("stages that the page does not know are those before the work", () => {
  expect(progressOf(null)).toEqual({ stage: "queued", done: null });
  expect(progressOf({ stage: "receiving", done: 1 })).toEqual({ stage: "queued", done: null });
});

test("an upload that is gone, and a job that is gone, are told apart", async () => {
  answer(404, error("not_found"));
  expect((await failure(handIn("u", "k"))).code).toBe("upload_gone");
  expect(asked[0]?.headers.get("Idempotency-Key")).toBe("k");
  await endJob(ID); // is gone already
});

test("who has sent too much is told when to come back", async () => {
  answer(429, error("busy"), { "Retry-After": "30" });
  expect(await failure(handIn("u", "k"))).toMatchObject({ code: "busy", retry_after: 30 });
});

test("a server that is away is told apart from a job that is gone", async () => {
  vi.stubGlobal("fetch", () => Promise.reject(new TypeError("network")));
  expect((await failure(endJob(ID))).code).toBe("connection_lost");
});

test("lists are asked for by page and by kind", async () => {
  answer(200, '{"jobs": [], "next": null}');
  await listJobs({ state: "done", verdict: "" }, ID, 24);
  expect(new URL(asked[0]!.url).search).toBe(`?limit=24&state=done&before=${ID}`);
});

test("ids of the server's are told from those of this browser", () => {
  expect(isServerId(ID)).toBe(true);
  expect(isServerId(crypto.randomUUID())).toBe(false);
});
