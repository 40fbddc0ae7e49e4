"""What a server is started with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONFIG = ROOT / "config"
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
