"""A TorchServe that only pretends, and a model store whose archives are whole but small."""

from __future__ import annotations

import json
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from archives.repack import repack, write_sums

if TYPE_CHECKING:
    from serving.rollout import Models

OWN, NEW = "0.1.0", "2.0"
NODES = ("deblur", "ensemble")
TOKEN = "secret"
RESULT = {"id": "0" * 64, "verdict": "real", "probability_fake": 0.25}


@dataclass
class FakeVersion:
    """A version that is loaded at once; ``queued`` requests wait for it."""

    archive: str
    batch_size: int
    pid: int = 1
    fails: bool = False
    queued: int = 0
    workers: int = 1
    most_workers: int = 8  # one more dies

    def describe(self, name: str, version: str) -> dict[str, Any]:
        dies = self.fails or self.workers > self.most_workers
        self.pid += dies  # and is started again
        pids = [*range(100, 99 + self.workers), self.pid]
        states = ["READY"] * (self.workers - 1) + ["UNLOADING" if dies else "READY"]
        workers = [
            {"id": str(9000 + place), "pid": pids[place], "status": states[place]}
            for place in range(self.workers)
        ]
        return {
            "modelName": name,
            "modelVersion": version,
            "modelUrl": self.archive,
            "batchSize": self.batch_size,
            "maxBatchDelay": 10,
            "workers": workers,
            "jobQueueStatus": {"pendingRequests": self.queued},
        }


@dataclass
class FakeTorchServe:
    """What a TorchServe has loaded, and what answers where no version is named."""

    versions: dict[str, dict[str, FakeVersion]] = field(default_factory=dict)
    defaults: dict[str, str] = field(default_factory=dict)
    failing: set[str] = field(default_factory=set)  # archives that do not load
    mute: set[str] = field(default_factory=set)  # versions that judge nothing
    probabilities: dict[str, float | None] = field(default_factory=dict)  # of versions that judge otherwise
    token: str = TOKEN
    most_workers: int = 8  # of versions that are loaded from now on
    failing_scalings: int = 0  # so many of the next ones

    def accepts(self, token: str) -> bool:
        return token == self.token

    def start_anew(self) -> None:
        """It forgets all but the workflow's own archives."""
        self.versions = {f"deepfake__{node}": {OWN: self.load(f"{node}.mar", 4)} for node in NODES}
        self.defaults = dict.fromkeys(self.versions, OWN)

    def loaded(self) -> dict[str, list[str]]:
        return {name: sorted(versions) for name, versions in self.versions.items()}

    def workers(self) -> dict[str, dict[str, int]]:
        return {
            name: {version: one.workers for version, one in versions.items()}
            for name, versions in self.versions.items()
        }

    def serving(self) -> tuple[str, ...]:
        return tuple(self.defaults[f"deepfake__{node}"] for node in NODES)

    def answer(self, method: str, path: str, query: dict[str, str]) -> tuple[int, Any]:
        kind, name, version, *rest = [*path.strip("/").split("/"), "", "", ""]
        asked = (method, kind, *(word for word in rest if word))
        if asked == ("POST", "models"):
            return self.register(query)
        if asked == ("GET", "models") and not name:
            return self.page(int(query.get("next_page_token", 0)))
        if asked == ("GET", "models") and version == "all":
            return 200, [one.describe(name, version) for version, one in self.versions[name].items()]
        loaded = self.versions[name].get(version or self.defaults[name])
        if loaded is None:
            return 404, {"message": "no such version"}
        return self.answer_of(loaded, asked, name, version or self.defaults[name], query)

    def page(self, start: int) -> tuple[int, Any]:
        """The names of models, one a page."""
        names = sorted(self.versions)
        listed = {"models": [{"modelName": names[start], "modelUrl": "some.mar"}]}
        more = {} if start + 1 == len(names) else {"nextPageToken": str(start + 1)}
        return 200, {**listed, **more}

    def answer_of(
        self, loaded: FakeVersion, asked: tuple[str, ...], name: str, version: str, query: dict[str, str]
    ) -> tuple[int, Any]:
        """What is asked of a version that is there."""
        if asked == ("GET", "models"):
            return 200, [loaded.describe(name, version)]
        if asked == ("PUT", "models", "set-default"):
            self.defaults[name] = version
            return 200, {}
        if asked == ("PUT", "models") and self.failing_scalings:
            self.failing_scalings -= 1
            return 500, {}
        if asked == ("PUT", "models"):
            loaded.workers = int(query["max_worker"])
            return 202, {}
        if asked == ("DELETE", "models") and self.defaults[name] == version:
            return 403, {"message": "Cannot remove default version"}
        if asked == ("DELETE", "models"):
            del self.versions[name][version]
            return 200, {}
        if asked == ("POST", "predictions"):
            probability = self.probabilities.get(version, RESULT["probability_fake"])
            result = {**RESULT, "probability_fake": probability, "models": {name: version}}
            return 200, {} if version in self.mute else result
        return 404, {"message": "no such version"}

    def load(self, archive: str, batch_size: int) -> FakeVersion:
        fails = archive in self.failing
        return FakeVersion(archive, batch_size, fails=fails, most_workers=self.most_workers)

    def register(self, query: dict[str, str]) -> tuple[int, Any]:
        archive = query["url"]
        version = archive.removesuffix(".mar").partition("-")[2] or OWN
        if version in self.versions[query["model_name"]]:
            return 409, {"message": "already registered"}
        loaded = self.load(archive, int(query["batch_size"]))
        self.versions[query["model_name"]][version] = loaded
        return 202, {}


class Handler(BaseHTTPRequestHandler):
    """One request to the pretended TorchServe."""

    server: Server

    def respond(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fake = self.server.fake
        parts = urlsplit(self.path)
        if not fake.accepts(str(self.headers["Authorization"]).removeprefix("Bearer ")):
            status, body = 400, {"code": 400, "type": "InvalidKeyException"}
        else:
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            status, body = fake.answer(self.command, parts.path, query)
        content = b"done, in words" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = respond  # noqa: N815 - http.server's names

    def log_message(self, *_: Any) -> None: ...


class Server(ThreadingHTTPServer):
    def __init__(self, fake: FakeTorchServe) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.fake = fake


@contextmanager
def serving(fake: FakeTorchServe) -> Iterator[str]:
    """The URL at which it answers for as long as the block lasts."""
    with Server(fake) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@dataclass(frozen=True)
class Site:
    """A state folder, a model store and the TorchServe between them."""

    state: Path
    store: Path
    torchserve: FakeTorchServe
    url: str

    @property
    def models(self) -> Models:
        from serving.rollout import Models  # the client's own tests have nothing of the server's beside them

        return Models(self.state, self.store)

    def publish(self) -> None:
        """Say where the server is, as it does while it is ready."""
        token = self.torchserve.token
        server = {"url": self.url, "management_url": self.url, "metrics_url": self.url}
        values = {**server, "token": token, "management_token": token}
        (self.state / "server.json").write_text(json.dumps(values))

    def start(self) -> tuple[str, ...]:
        """Start TorchServe; what its restoring had to say."""
        self.torchserve.start_anew()
        self.publish()
        return self.models.restore()

    def stop(self) -> None:
        (self.state / "server.json").unlink()

    def record(self) -> dict[str, Any]:
        values: dict[str, Any] = json.loads((self.state / "pipelines.json").read_text())
        return values

    def built(self, version: str, *nodes: str, weights: bytes = b"{}") -> None:
        for node in nodes:
            write_archive(self.store / f"{node}-{version}.mar", node, version, weights)
        write_sums(self.store)


def write_archive(target: Path, node: str, version: str, weights: bytes = b"{}") -> None:
    """An archive as archives.build makes it, with hardly anything in it."""
    source = target.with_suffix(".zip")
    manifest = {"createdOn": "today", "model": {"modelName": node, "modelVersion": version}}
    with zipfile.ZipFile(source, "w") as file:
        file.writestr("handler.py", "print('hello')\n")
        file.writestr("weights.safetensors", len(weights).to_bytes(8, "little") + weights)
        file.writestr("MAR-INF/MANIFEST.json", json.dumps(manifest))
    repack(source, target)
    source.unlink()
