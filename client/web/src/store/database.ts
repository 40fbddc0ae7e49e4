import { openDB, type DBSchema, type IDBPDatabase } from "idb";
import type { Failure } from "../api/errors";
import type { DetectOptions, Verdict } from "../api/types";

export type JobState = "waiting" | "running" | "done" | "failed" | "cancelled";

/** What a list shows of a judged video. */
export interface Summary {
  verdict: Verdict;
  probability: number | null;
  duration: number;
  thumbnail: string | null; // JPEG, base64
}

/** One video that was handed in. The file and the answer lie beside it, under the same id. */
export interface Job {
  id: string;
  name: string;
  bytes: number;
  added: number; // milliseconds since 1970
  state: JobState;
  options: DetectOptions;
  failure?: Failure;
  summary?: Summary;
  modified?: number; // the file's own time, milliseconds since 1970
  upload?: string; // address of an upload that has begun, and is no job at the server yet
  key?: string; // names the job there at every attempt to hand it in
  server?: string; // the job's id there
}

interface Schema extends DBSchema {
  jobs: { key: string; value: Job };
  files: { key: string; value: Blob };
  answers: { key: string; value: Blob };
}

type Store = "jobs" | "files" | "answers";
type Value<S extends Store> = Schema[S]["value"];

/** Everything that this browser keeps. Where it may keep nothing (private windows), memory has to do. */
class Database {
  private readonly memory = { jobs: new Map(), files: new Map(), answers: new Map() } as {
    [S in Store]: Map<string, Value<S>>;
  };
  private readonly opened: Promise<IDBPDatabase<Schema> | null> = openDB<Schema>("outofsync", 1, {
    upgrade(database) {
      for (const store of ["jobs", "files", "answers"] as const) database.createObjectStore(store);
    },
  }).catch(() => null);

  async get<S extends Store>(store: S, id: string): Promise<Value<S> | undefined> {
    const held = this.memory[store].get(id);
    return held ?? (await (await this.opened)?.get(store, id));
  }

  /** Keep a value; in memory alone where there is no room for more. */
  async put<S extends Store>(store: S, id: string, value: Value<S>): Promise<void> {
    const database = await this.opened;
    try {
      if (!database) throw new Error("memory only");
      await database.put(store, value, id);
      this.memory[store].delete(id);
    } catch {
      this.memory[store].set(id, value);
    }
  }

  async delete(id: string): Promise<void> {
    const database = await this.opened;
    for (const store of ["jobs", "files", "answers"] as const) {
      this.memory[store].delete(id);
      await database?.delete(store, id);
    }
  }

  async forget(store: Store, id: string): Promise<void> {
    this.memory[store].delete(id);
    await (await this.opened)?.delete(store, id);
  }

  async jobs(): Promise<Job[]> {
    const kept = (await (await this.opened)?.getAll("jobs")) ?? [];
    const held = [...this.memory.jobs.values()];
    const ids = new Set(held.map(({ id }) => id));
    return [...held, ...kept.filter(({ id }) => !ids.has(id))];
  }
}

export const database = new Database();
