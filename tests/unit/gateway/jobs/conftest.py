"""Work that ends when it is let go, and the two databases that jobs may lie in."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from starlette.responses import Response
from unit.gateway.conftest import END_S, RESULT, LiveGateway, said

from benchmarks.postgres import missing, postgres_server


@dataclass
class Gate:
    """A server's work, which ends when it is let go."""

    answered: Any = field(default_factory=lambda: RESULT)
    status: int = 200
    open: threading.Event = field(default_factory=threading.Event)

    def answer(self, _path: str, _body: bytes) -> Response:
        assert self.open.wait(END_S)
        return said(self.answered, self.status)


@pytest.fixture
def gate(live: LiveGateway) -> Iterator[Gate]:
    """Work that takes until it is let go."""
    made = Gate()
    live.servers[0].answer = made.answer
    yield made
    made.open.set()


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def database(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """The URL of a real server, None for a file of the gateway's own."""
    if request.param == "SQLite":
        yield None
        return
    if reason := missing():
        pytest.skip(reason)
    with postgres_server() as server:
        yield server.url
