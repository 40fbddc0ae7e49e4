import { expect, test } from "vitest";
import { events } from "./event_stream";

function stream(...chunks: string[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(new TextEncoder().encode(chunk));
      controller.close();
    },
  });
}

async function read(...chunks: string[]): Promise<string[]> {
  const found: string[] = [];
  for await (const data of events(stream(...chunks))) found.push(data);
  return found;
}

test("events arrive whole however they are cut", async () => {
  const text = 'event: progress\ndata: {"stage": "faces"}\n\n: still there\n\nevent: end\ndata: {"status": 200}\n\n';
  const whole = ['{"stage": "faces"}', '{"status": 200}'];
  expect(await read(text)).toEqual(whole);
  expect(await read(...text)).toEqual(whole);
  expect(await read(text.replaceAll("\n", "\r\n"))).toEqual(whole);
});

test("an event that was broken off is none", async () => {
  expect(await read('data: {"a": 1}\n\ndata: {"b"')).toEqual(['{"a": 1}']);
});
