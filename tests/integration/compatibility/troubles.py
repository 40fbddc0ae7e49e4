"""What can go wrong between a client and a door, and what tells whether the client bore it."""

from __future__ import annotations

import json
import logging
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from fault_proxy import Asked, CutAnswer, Fault, FaultProxy, Reset, Say, answer
from integration.compatibility.doors import Site
from media_factory import Media

import outofsync_client as oos
from outofsync_client import Client, Result, Retries

PLAIN = ("token", "gateway")  # doors of plain HTTP, before which an answer can be made up
AT_ONCE = Retries(first_wait=0.0)
VIDEO = Media(frames=8, width=64, height=48).to_bytes()
PADDING = 1_000_000  # so that a connection may break in the midst of an upload
BIG = VIDEO + struct.pack(">I4s", PADDING + 8, b"free") + bytes(PADDING)
HEADER = b"a header"  # stands before the video in a file that is read from behind it
HALF = len(BIG) // 2


def torchserve_error(status: int, kind: str, message: str) -> Say:
    """An error in TorchServe's words."""
    return answer(status, json.dumps({"code": status, "type": kind, "message": message}).encode())


def edge_error(code: str, status: int, **headers: str) -> Say:
    """An error in the edge's words."""
    error = {"code": code, "status": status, "stage": "edge", "message": "No.", "hint": "Wait."}
    return answer(status, json.dumps({"error": {**error, "request_id": "r"}}).encode(), **headers)


NO_WORKER = torchserve_error(
    500, "InternalServerException", 'Model "deepfake__deblur" has no worker to serve'
)
DIED = torchserve_error(507, "InternalServerException", "Worker died.")
LOST: dict[str, Fault] = {
    "before the request": Reset(after=1),
    "in the midst of the upload": Reset(after=HALF),
    "within the head of the answer": CutAnswer(len(BIG), 20, then=Reset()),
    "in the midst of the answer": CutAnswer(len(BIG), 1000, then=Reset()),
    "the answer cut short": CutAnswer(len(BIG), 1000),
}


def lasting(result: Result) -> dict[str, object]:
    """A result without what differs from call to call."""
    return {name: value for name, value in result.to_dict().items() if name != "timing_ms"}


def judge(client: Client, file: oos.VideoFile = BIG) -> Result:
    return client.detect(file, mode="reference", deblur="never")


@contextmanager
def behind(
    site: Site, door: str, *script: Fault, retries: Retries = AT_ONCE, **settings: Any
) -> Iterator[tuple[Client, FaultProxy]]:
    """A client, and the proxy through which it reaches a door."""
    with (
        FaultProxy(site.url(door), *script) as proxy,
        Client(proxy.url, **site.keys(door), retries=retries, **settings) as client,
    ):
        yield client, proxy


def identities(asked: list[Asked]) -> set[tuple[str, str]]:
    """The request ids and idempotency keys of some requests."""
    return {
        (one.headers["x-outofsync-request-id"], one.headers["idempotency-key"])
        for one in asked
        if one.headers
    }


@contextmanager
def at_the_first_wait(act: Callable[[], object]) -> Iterator[None]:
    """Do something once, when a client begins to wait for its next attempt."""

    class Once(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if hasattr(record, "wait_s"):
                logger.removeHandler(self)
                act()

    logger = logging.getLogger("outofsync_client")
    handler = Once()
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
