import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { RequestError, ownFailure } from "../api/errors";
import type { ServerJob } from "../api/jobs";
import type { UploadCall } from "../api/upload";
import type { Job } from "./database";

const server = vi.hoisted(() => ({
  sendFile: vi.fn(),
  handIn: vi.fn(),
  endJob: vi.fn(),
  fetchJob: vi.fn(),
  followJob: vi.fn(),
}));
vi.mock("../api/config", () => ({ config: { key_required: true, jobs: true } }));
vi.mock("../analysis/reader", () => ({ readJob: async (job: unknown) => ({ job, digest: null, answer: null }) }));
vi.mock("../api/upload", () => ({ sendFile: server.sendFile, dropUpload: async () => {} }));
vi.mock(import("../api/jobs"), async (original) => ({ ...(await original()), ...server }));
vi.mock("./database", () => ({ database: { put: async () => {}, delete: async () => {}, jobs: async () => [] } }));
const { find, jobs, save } = await import("./jobs");
const { handInFile, watchJob } = await import("./handing_in");

const FILE = new Blob(["video"]);
const LOST = new RequestError(ownFailure("connection_lost"));
const GONE = new RequestError(ownFailure("upload_gone"));
const { signal } = new AbortController();

function job(id: string, more: Partial<Job> = {}): Job {
  const options = { deblur: "auto", mode: "full" } as const;
  return { id, name: "a.mp4", bytes: 5, added: 0, modified: 7, state: "running", options, ...more };
}

function told(state: ServerJob["state"]): ServerJob {
  return { id: "s", state, file: "", created: "", verdict: null, failure: null, progress: null };
}

/** What becomes of it, however long that takes. */
async function settled<T>(work: Promise<T>): Promise<T> {
  work.catch(() => {});
  await vi.runAllTimersAsync();
  return work;
}

/** Each call's upload, if it goes on with one. */
const begun = (): (string | null)[] => server.sendFile.mock.calls.map(([call]) => (call as UploadCall).begun);

beforeEach(async () => {
  for (const one of Object.values(server)) one.mockReset();
  jobs.value = [];
  vi.useFakeTimers();
  server.handIn.mockResolvedValue(told("queued"));
  server.sendFile.mockImplementation(async ({ begun, onBegun }: UploadCall) => {
    if (!begun) await onBegun("/v1/uploads/u");
    return "u";
  });
});

afterEach(() => void vi.useRealTimers());

test("an upload that breaks goes on from where it stood", async () => {
  server.sendFile.mockImplementationOnce(async ({ onBegun }: UploadCall) => {
    await onBegun("/v1/uploads/u");
    throw LOST;
  });
  await save(job("j"));
  await settled(handInFile(job("j"), FILE, signal));
  expect(begun()).toEqual([null, "/v1/uploads/u"]);
  expect(find("j")).toMatchObject({ state: "running", server: "s" });
  expect(find("j")).not.toHaveProperty("upload");
});

test("an answer that was lost makes no second job, and nothing is sent twice", async () => {
  server.handIn.mockRejectedValueOnce(LOST);
  await save(job("j"));
  await settled(handInFile(job("j"), FILE, signal));
  expect(server.sendFile).toHaveBeenCalledTimes(1);
  const keys = server.handIn.mock.calls.map(([, key]) => key as string);
  expect(keys).toEqual([keys[0], keys[0]]);
});

test("an upload that has expired is begun anew, of the same job", async () => {
  server.sendFile.mockRejectedValueOnce(GONE);
  await save(job("j", { upload: "/v1/uploads/old", key: "k" }));
  await settled(handInFile(find("j")!, FILE, signal));
  expect(begun()).toEqual(["/v1/uploads/old", null]);
  expect(server.handIn).toHaveBeenCalledExactlyOnceWith("u", "k");
});

test("a file that is chosen again goes on with the upload that its lost entry has left", async () => {
  await save(job("lost", { state: "failed", upload: "/v1/uploads/u" }));
  await save(job("other", { state: "failed", upload: "/v1/uploads/v", modified: 8 }));
  await save(job("again"));
  await settled(handInFile(find("again")!, FILE, signal));
  expect(begun()).toEqual(["/v1/uploads/u"]);
  expect(find("lost")).not.toHaveProperty("upload");
  expect(find("other")).toHaveProperty("upload");
});

test("what was cancelled while the server took it is cancelled there", async () => {
  await save(job("j"));
  server.handIn.mockImplementation(async () => {
    await save(job("j", { state: "cancelled" }));
    return told("queued");
  });
  await settled(handInFile(job("j"), FILE, signal));
  expect(server.endJob).toHaveBeenCalledExactlyOnceWith("s");
  expect(find("j")).not.toHaveProperty("server");
});

test("a job is watched until it has ended, whatever comes between", async () => {
  for (let time = 0; time < 9; time++) server.fetchJob.mockRejectedValueOnce(LOST);
  server.fetchJob.mockResolvedValueOnce(told("running")).mockResolvedValueOnce(told("failed"));
  server.followJob.mockResolvedValue(false);
  const tell = vi.fn();
  expect((await settled(watchJob("s", signal, tell))).job.state).toBe("failed");
  expect(tell).toHaveBeenCalledTimes(10);
  expect(tell).toHaveBeenLastCalledWith({ stage: "queued", done: null });
});

test("a job that the server does not know is not waited for", async () => {
  server.fetchJob.mockRejectedValue(new RequestError(ownFailure("job_gone", "", 404)));
  await expect(watchJob("s", signal, () => {})).rejects.toThrow(RequestError);
});
