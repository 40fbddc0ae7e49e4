"""What a server is started with, and the properties file TorchServe reads it from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from outofsync.limits import Limits

if TYPE_CHECKING:
    from config.ports import Ports

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
    rotate_s: float = 12 * 3600.0  # TorchServe's tokens are made anew so often


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
        # A token that was not changed in time still serves until the next turn.
        "token_expiration_min": round(2 * settings.rotate_s / 60) + 10,
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
