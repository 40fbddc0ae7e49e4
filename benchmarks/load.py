"""Clients that keep a server busy, in a process of their own so that they take no share of its interpreter.

Each client sends its next request as soon as it has the answer to its last (a closed loop), over a connection
that stays open.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import requests

from outofsync_client.protocol import SENT_AT_HEADER

ROOT = Path(__file__).resolve().parent.parent
ANSWER_S = 900.0
COMPARED = ("verdict", "probability_fake", "score", "delays")  # a file's answer, without how long it took


@dataclass(frozen=True)
class Load:
    """``requests`` requests in all, by ``clients`` clients; they take the files in turn."""

    url: str
    token: str
    files: tuple[str, ...]
    clients: int
    requests: int


@dataclass
class Answers:
    """What came back: seconds in all and for each request, what failed, what the files were judged."""

    seconds: float = 0.0
    latencies_s: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    outputs: dict[str, list[dict[str, Any]]] = field(default_factory=dict)  # distinct ones, by file


def apply(load: Load) -> Answers:
    """Run the clients to their end."""
    command = [sys.executable, "-m", "benchmarks.load"]
    done = subprocess.run(
        command, cwd=ROOT, input=json.dumps(asdict(load)), stdout=subprocess.PIPE, text=True, check=True
    )
    return Answers(**json.loads(done.stdout))


def compared(answer: dict[str, Any]) -> dict[str, Any]:
    """The part of a result that must not depend on who computed it."""
    return {name: answer.get(name) for name in COMPARED}


class Clients:
    """Threads that share a list of files to send, and what came back."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.bodies = {name: Path(name).read_bytes() for name in load.files}
        self.waiting: Iterator[str] = islice(cycle(load.files), load.requests)
        self.lock = threading.Lock()
        self.answers = Answers()

    def run(self) -> Answers:
        threads = [threading.Thread(target=self._client) for _ in range(self.load.clients)]
        start = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.answers.seconds = time.perf_counter() - start
        return self.answers

    def _client(self) -> None:
        with requests.Session() as session:
            session.trust_env = False
            session.headers["Authorization"] = f"Bearer {self.load.token}"
            while True:
                with self.lock:
                    name = next(self.waiting, None)
                if name is None:
                    return
                self._ask(session, name)

    def _ask(self, session: requests.Session, name: str) -> None:
        form = {"data": ("video.mp4", self.bodies[name])}
        start = time.perf_counter()
        try:
            sent = {SENT_AT_HEADER: str(time.time())}  # so that the server says what upload and queue took
            response = session.post(self.load.url, files=form, headers=sent, timeout=ANSWER_S)
            answer = response.json()
            error = answer.get("error") or (None if response.ok else response.text)
        except (requests.RequestException, ValueError) as failure:
            answer, error = {}, repr(failure)
        seconds = time.perf_counter() - start
        with self.lock:
            if error:
                self.answers.errors.append(str(error))
                return
            self.answers.latencies_s.append(seconds)
            seen = self.answers.outputs.setdefault(name, [])
            if compared(answer) not in seen:
                seen.append(compared(answer))


def main(arguments: Sequence[str] | None = None) -> None:
    """Read a load as JSON, put it on the server, and write what came back as JSON."""
    del arguments  # there are none
    sys.stdout.write(json.dumps(asdict(Clients(Load(**json.load(sys.stdin))).run())))


if __name__ == "__main__":
    main()
