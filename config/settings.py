"""What a server is started with, and the properties file TorchServe reads it from."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from string import Template

from outofsync.limits import Limits

CONFIG = Path(__file__).resolve().parent
ROOT = CONFIG.parent
DEFAULT_PORT = 8080
DEFAULT_STATE = ROOT / ".state"
DEFAULT_STORE = ROOT / "model_store"
LOOPBACK = "127.0.0.1"
FORM_BYTES = 10_000_000  # room for what surrounds the file in a request: it is refused in words, not by a 413


class ServeError(Exception):
    """The server cannot be started or stopped; the message says what to do."""


@dataclass(frozen=True)
class ServerSettings:
    """Choices of whoever starts a server; ``port`` None takes 8080, or any free port where it is taken."""

    state: Path = DEFAULT_STATE
    model_store: Path = DEFAULT_STORE
    config: Path = CONFIG  # folder of *.properties, jvm.options and log4j2.xml
    port: int | None = None
    device: str = "cpu"  # or cuda:N
    plain_models: bool = True  # /predictions/deblur and /predictions/ensemble, two more workers
    start_s: float = 600.0  # until every network is loaded and has answered
    drain_s: float = 30.0  # requests under way may take as long when the server stops

    def arguments(self) -> list[str]:
        """The command line that makes the same settings (config/serve.py)."""
        words = ["--state", str(self.state), "--model-store", str(self.model_store), "--device", self.device]
        words += ["--config", str(self.config)]
        words += ["--start-seconds", str(self.start_s), "--drain-seconds", str(self.drain_s)]
        words += [] if self.port is None else ["--port", str(self.port)]
        return words if self.plain_models else [*words, "--workflow-only"]


@dataclass(frozen=True)
class Ports:
    """Where one server listens; all on loopback."""

    inference: int
    management: int
    metrics: int
    grpc_inference: int
    grpc_management: int

    @property
    def inference_url(self) -> str:
        return f"http://{LOOPBACK}:{self.inference}"

    @property
    def management_url(self) -> str:
        return f"http://{LOOPBACK}:{self.management}"


def choose_ports(wanted: int | None) -> Ports:
    """Free ports; raises :class:`ServeError` where the one asked for is taken."""
    with ExitStack() as held:  # all are held until the last is found, so that no two are the same
        first = _bind(held, DEFAULT_PORT if wanted is None else wanted)
        if first is None and wanted is not None:
            raise ServeError(f"port {wanted} is in use; free it or choose another: make serve PORT=…")
        inference = first or _bind(held, 0)
        others = [_bind(held, 0) for _ in range(4)]
        ports = [port for port in (inference, *others) if port is not None]
    return Ports(*ports)


def _bind(held: ExitStack, port: int) -> int | None:
    """Bind a loopback port (0: any), or None where it is taken."""
    listener = held.enter_context(socket.socket())
    # As TorchServe will: connections of a server that has just stopped do not block its port.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, port))
    except OSError:
        return None
    return int(listener.getsockname()[1])


def server_properties(settings: ServerSettings, ports: Ports) -> str:
    """The text of TorchServe's configuration file."""
    limits = Limits()
    values = {
        "inference_port": ports.inference,
        "management_port": ports.management,
        "metrics_port": ports.metrics,
        "grpc_inference_port": ports.grpc_inference,
        "grpc_management_port": ports.grpc_management,
        "model_store": _escaped(str(settings.model_store.resolve())),
        "max_request_size": limits.request_bytes + FORM_BYTES,
        "max_response_size": limits.clip_bytes,
    }
    kind = "cpu" if settings.device == "cpu" else "gpu"
    parts = ("server.properties", f"{kind}.properties")
    template = "".join((settings.config / name).read_text() for name in parts)
    return Template(template).substitute(values)


def _escaped(value: str) -> str:
    """Java reads properties as Latin-1 with backslash escapes."""
    units = value.replace("\\", "\\\\").encode("utf-16-be")
    codes = [int.from_bytes(units[i : i + 2], "big") for i in range(0, len(units), 2)]
    return "".join(chr(code) if code < 128 else f"\\u{code:04x}" for code in codes)
