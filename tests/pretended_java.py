#!/usr/bin/env python
"""What a supervisor takes for Java: a pretended TorchServe that reads its properties and writes its keys.

``plan.json`` in its working folder says what each of its lives does at which request:
``die at GET /models/deblur``, or ``hang at`` it.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from pretended_torchserve import NODES, OWN, RESULT, TOKEN, FakeTorchServe, Handler  # noqa: E402

PLAN, LIVES, KEYS = Path("plan.json"), Path("lives.txt"), Path("key_file.json")
CRASHED = 86
PURPOSES = ("inference", "management", "API")


@dataclass
class StartingTorchServe(FakeTorchServe):
    """It knows what is loaded at a start, too, and may fail at a request."""

    plan: str = ""
    tokens: dict[str, str] = field(default_factory=lambda: dict.fromkeys(PURPOSES, TOKEN))

    def answer(self, method: str, path: str, query: dict[str, str]) -> tuple[int, Any]:
        if self.plan == f"die at {method} {path}":
            os._exit(CRASHED)
        if self.plan == f"hang at {method} {path}":
            threading.Event().wait()
        if path == "/workflows":
            return 200, {}
        if path == "/token":
            return self.renew(query["type"])
        if path.startswith("/wfpredict/"):
            return 200, RESULT
        if path in (f"/models/{node}" for node in NODES):
            return 200, [self.versions[f"deepfake__{path.rpartition('/')[2]}"][OWN].describe("plain", OWN)]
        if (method, path) == ("POST", "/models") and "model_name" not in query:
            return 202, {}
        return super().answer(method, path, query)

    def renew(self, purpose: str) -> tuple[int, Any]:
        """A new token, of which the answer says nothing, and in words rather than in JSON."""
        self.tokens[purpose] += "+"
        self.write_keys()
        return 200, None

    def accepts(self, token: str) -> bool:
        return token in self.tokens.values()

    def write_keys(self) -> None:
        KEYS.write_text(json.dumps({purpose: {"key": token} for purpose, token in self.tokens.items()}))


def main() -> None:
    words = sys.argv
    lines = Path(words[words.index("-f") + 1]).read_text().splitlines()
    properties = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    torchserve = StartingTorchServe()
    torchserve.start_anew()
    with LIVES.open("a") as lives:
        lives.write(f"{os.getpid()}\n")
    life = str(len(LIVES.read_text().splitlines()))
    torchserve.plan = json.loads(PLAN.read_text()).get(life, "") if PLAN.exists() else ""
    threads = []
    for interface in ("inference", "management"):
        host, _, port = properties[f"{interface}_address"].removeprefix("http://").partition(":")
        server = ThreadingHTTPServer((host, int(port)), Handler)
        server.fake = torchserve  # type: ignore[attr-defined]
        threads.append(threading.Thread(target=server.serve_forever, args=(0.01,)))
        threads[-1].start()
    torchserve.write_keys()
    for thread in threads:  # once this one has ended, Python 3.12 begins no other
        thread.join()


if __name__ == "__main__":
    main()
