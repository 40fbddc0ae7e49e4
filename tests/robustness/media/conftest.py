"""Children that do something else than decode."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from outofsync.media import process
from outofsync.media.fork_server import ForkServer

STARTED = """import os, sys, time
sys.path.extend(sys.argv[1:])
from outofsync.media.fork_loop import serve
def main(task):
    os.write(1, b'{"started": true}\\n')
    WORDS
serve(main)"""
Boot = Callable[[str], None]


@pytest.fixture
def boot(monkeypatch: pytest.MonkeyPatch) -> Iterator[Boot]:
    """Have children forked by another program."""
    servers: list[ForkServer] = []

    def of(program: str) -> None:
        servers.append(ForkServer(program))
        monkeypatch.setattr(process, "fork_server", servers[-1])

    yield of
    for server in servers:
        server.close()


@pytest.fixture
def children_that(boot: Boot) -> Boot:
    """Have children do this once they have said that they are confined and look at the file now."""
    return lambda words: boot(STARTED.replace("WORDS", words))
