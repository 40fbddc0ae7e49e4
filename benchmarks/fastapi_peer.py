"""The server most people would write around this engine: FastAPI, one process, no batches.

    python -m benchmarks.fastapi_peer --port 8090

Requests wait in FastAPI's thread pool for one lock: the networks use every core for one request already, and
two at once only get into each other's way.
"""

from __future__ import annotations

import argparse
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated

import uvicorn
from fastapi import FastAPI, Form, Response, UploadFile

from benchmarks.engine import detect, load_nodes
from outofsync_client.protocol import NODES

one_at_a_time = threading.Lock()


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    del app
    load_nodes(*NODES)
    yield


app = FastAPI(lifespan=lifespan)


@app.post("/detect")
def judge(data: UploadFile, options: Annotated[str, Form()] = "{}") -> Response:
    """Judge one video."""
    video = data.file.read()
    with one_at_a_time:
        answer = detect([video], options.encode())[0]
    return Response(answer, media_type="application/json")


@app.get("/ping")
def ping() -> str:
    return "ready"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Serve the engine with FastAPI.")
    parser.add_argument("--port", type=int, required=True)
    uvicorn.run(app, host="127.0.0.1", port=parser.parse_args(arguments).port, log_level="warning")


if __name__ == "__main__":
    main()
