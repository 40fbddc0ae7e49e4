"""Where a request is said to be, from a server's first word about it until its answer has been sent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.progress import QUEUED, State, TrackedRequest
from gateway.servers import Server
from gateway.upload import Upload
from outofsync.progress import Progress, Step
from outofsync_client.protocol import PROGRESS_FOLDER


@pytest.fixture
def server(tmp_path: Path) -> Server:
    (tmp_path / PROGRESS_FOLDER).mkdir()
    return Server(tmp_path, "server")


@pytest.fixture
def tracked(tmp_path: Path) -> Iterator[TrackedRequest]:
    """A request that has been received whole."""
    (body := tmp_path / "body").write_bytes(b"video")
    with Upload.stored(body) as upload:
        yield TrackedRequest(upload, len(b"video"))


def tell(server: Server, name: str | None, step: Step) -> None:
    """As a worker does."""
    progress = Progress.open(server.state / PROGRESS_FOLDER, name)
    progress.tell(step, 0.5)
    progress.close()


def test_a_stage_is_no_further_back_while_the_answer_is_on_its_way(
    tracked: TrackedRequest, server: Server
) -> None:
    with tracked.at(server) as name:
        assert tracked.state() == State(QUEUED)
        tell(server, name, Step.SCORE)
        assert tracked.state() == State(Step.SCORE, 0.5)
    assert list((server.state / PROGRESS_FOLDER).iterdir()) == []
    assert tracked.state() == State(Step.SCORE, 0.5)


def test_another_attempt_begins_anew(tracked: TrackedRequest, server: Server) -> None:
    with suppress(ConnectionError), tracked.at(server) as name:
        tell(server, name, Step.SCORE)
        raise ConnectionError("its server has died")
    assert tracked.state() == State(Step.SCORE, 0.5)
    with tracked.at(server) as name:
        assert tracked.state() == State(QUEUED)
        tell(server, name, Step.DECODE)
        assert tracked.state() == State(Step.DECODE, 0.5)


def test_a_folder_that_cannot_be_written_to_tells_of_nothing(tracked: TrackedRequest, tmp_path: Path) -> None:
    with tracked.at(Server(tmp_path / "nowhere", "other")) as name:
        assert name is None
        assert tracked.state() == State(QUEUED)
    assert tracked.state() == State(QUEUED)
