"""The engine's process may die of a video: that one is found, and no other suffers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from media_factory import Media
from untrained import write_checkpoints

from outofsync.clip import Clip
from outofsync.options import Options
from outofsync_cluster.backends import MAX_TRIES, EngineBackend, read_weights
from outofsync_cluster.errors import ClusterError
from outofsync_cluster.work import Work

POISON = b"poison"
FATAL = """
import os
from multiprocessing.connection import Connection

recv = Connection.recv

def deadly(connection):
    message = recv(connection)
    if b"poison" in b"".join(part for parts in message if isinstance(parts, list) for part in parts):
        os.abort()
    return message

Connection.recv = deadly
"""
GOOD = Media(frames=20).to_bytes()

pytestmark = pytest.mark.slow


@pytest.fixture
def deadly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes of Python that begin from now on die of a certain word."""
    (tmp_path / "sitecustomize.py").write_text(FATAL)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")


def backend(weights: dict[str, bytes], work: Work = Work.WHOLE) -> Iterator[EngineBackend]:
    made = EngineBackend(weights, Options().to_dict(), threads=1, device="cpu", work=work)
    try:
        yield made
    finally:
        made.close()


@pytest.mark.usefixtures("deadly")
def test_what_the_process_dies_of_is_found_by_halving() -> None:
    for engine in backend({}, Work.CROP):
        good, bad = engine.judge([GOOD, GOOD + POISON])
        assert Clip.from_bytes(good.data).error is None
        assert json.loads(bad.data)["error"]["code"] == "worker_died"
        assert bad.attempts == MAX_TRIES


def test_weights_of_no_use_are_named(tmp_path: Path) -> None:
    weights = read_weights(write_checkpoints(tmp_path))
    for engine in backend({**weights, "sync.safetensors": b"none"}):
        with pytest.raises(ClusterError, match="does not start with these weights"):
            engine.models()
