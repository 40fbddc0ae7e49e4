"""Who judges: the engine in a process of our own, or servers. No file stops another."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, Protocol

from outofsync_client import Client, OutOfSyncError, WorkerDiedError
from outofsync_cluster.errors import ClusterError
from outofsync_cluster.work import Work

WEIGHTS = ("deblur.safetensors", "sync.safetensors", "scoring.safetensors", "face.safetensors")
OPTIONAL = "face.safetensors"
MAX_TRIES = 2  # of a video that the process died of alone
MAX_WAIT_S = 3900.0  # for a batch: as long as TorchServe gives a worker


@dataclass(frozen=True, slots=True)
class Answer:
    """A result or an error's envelope as JSON, and what it took."""

    data: bytes
    attempts: int = 1
    cpu_s: float = 0.0
    gpu_s: float = 0.0
    wall_s: float = 0.0
    peak_bytes: int = 0
    perceptual_hash: str | None = None


class Backend(Protocol):
    """What actors of a run hold."""

    def judge(self, files: Sequence[bytes]) -> list[Answer]:
        """One answer for each file, in order."""

    def close(self) -> None:
        """Let go of what it holds."""


class ProcessDiedError(Exception):
    """The engine's process ended while it was at work, or took too long."""


def read_weights(folder: Path) -> dict[str, bytes]:
    """The files that the engine needs. Raises :class:`ClusterError` where one is missing."""
    try:
        return {
            name: (folder / name).read_bytes()
            for name in WEIGHTS
            if name != OPTIONAL or (folder / name).is_file()
        }
    except OSError as error:
        raise ClusterError(
            f"{error.filename} cannot be read ({error.strerror}); --checkpoints names their folder"
        ) from None


class EngineBackend:
    """The engine in a process of its own, started again when it dies; what it died of is found by halving."""

    def __init__(
        self,
        weights: Mapping[str, bytes],
        options: Mapping[str, Any],
        *,
        threads: int,
        device: str,
        work: Work = Work.WHOLE,
    ) -> None:
        self._folder = TemporaryDirectory(prefix="outofsync-weights-")
        for name, data in weights.items():
            (Path(self._folder.name) / name).write_bytes(data)
        self._options = json.dumps(options).encode()
        self._settings = json.dumps({"threads": threads, "device": device, "work": work})
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None

    def models(self) -> dict[str, Any]:
        """The versions, as results state them. Raises :class:`ClusterError` for weights of no use."""
        try:
            return dict(self._start())
        except ProcessDiedError:
            raise ClusterError(
                "the engine does not start with these weights; its own words are above"
            ) from None

    def judge(self, files: Sequence[bytes]) -> list[Answer]:
        return self._judge(list(files), tries=1)

    def close(self) -> None:
        self._stop()
        self._folder.cleanup()

    @property
    def process_id(self) -> int | None:
        return self._process.pid if self._process else None

    def _judge(self, files: list[bytes], tries: int) -> list[Answer]:
        try:
            answers, cpu, card, wall, peak = self._ask(files)
        except ProcessDiedError:
            if len(files) > 1:
                middle = len(files) // 2
                return self._judge(files[:middle], tries) + self._judge(files[middle:], tries)
            if tries < MAX_TRIES:
                return self._judge(files, tries + 1)
            error = WorkerDiedError("the engine's process died of this file", status=500, stage="engine")
            return [Answer(envelope(error), tries)]
        share = 1 / len(files)
        took = (tries, cpu * share, card * share, wall * share, peak)
        return [Answer(data, *took, fingerprint) for data, fingerprint in answers]

    def _ask(self, files: list[bytes]) -> Any:
        try:
            if self._connection is None:
                self._start()
            assert self._connection is not None
            self._connection.send((files, self._options))
            if self._connection.poll(MAX_WAIT_S):
                return self._connection.recv()
        except (EOFError, OSError):
            pass
        self._stop()
        raise ProcessDiedError

    def _start(self) -> Any:
        """Start the process; what it says it is."""
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "outofsync_cluster.child"),
                    *(str(theirs.fileno()), self._folder.name, self._settings),
                ],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE"},
            )
        self._connection = Connection(ours.detach())
        try:
            return self._connection.recv()
        except (EOFError, OSError):
            self._stop()
            raise ProcessDiedError from None

    def _stop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


class ServedBackend:
    """Servers over HTTP; a batch is that many requests at the same time."""

    def __init__(self, options: Mapping[str, Any], server: Mapping[str, Any]) -> None:
        self._options = {name: value for name, value in options.items() if value is not None}
        self._client = Client(**server)

    def judge(self, files: Sequence[bytes]) -> list[Answer]:
        with ThreadPoolExecutor(len(files)) as pool:
            return list(pool.map(self._one, files))

    def close(self) -> None:
        self._client.close()

    def _one(self, file: bytes) -> Answer:
        start = perf_counter()
        try:
            data = self._client.detect(file, **self._options).to_json().encode()
        except OutOfSyncError as error:
            data = envelope(error)
        return Answer(data, wall_s=perf_counter() - start)


def envelope(error: OutOfSyncError) -> bytes:
    """An error as servers send it."""
    return json.dumps({"error": error.to_dict()}).encode()
