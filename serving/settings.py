"""What a server is started with, and how settings reach another process: by the fields there are."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import TypeAdapter, ValidationError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

ROOT = Path(__file__).resolve().parent.parent
CONFIG = ROOT / "config"
DEFAULT_PORT = 8080
DEFAULT_STATE = ROOT / ".state"
DEFAULT_STORE = ROOT / "model_store"

T = TypeVar("T")


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
    leftover_s: float = 60.0  # what a killed worker left of a video lies so long where nothing goes on
    rotate_s: float = 12 * 3600.0  # TorchServe's tokens are made anew so often


def to_document(settings: DataclassInstance) -> str:
    """All fields as JSON; paths are made absolute, as the other process may work in another folder."""
    return json.dumps(asdict(settings), default=_absolute)


def from_document(kind: type[T], document: str) -> T:
    """The settings of a document; raises :class:`ServeError` where it does not fit the fields."""
    try:
        return TypeAdapter(kind).validate_json(document)
    except ValidationError as error:
        raise ServeError(f"these are no settings: {error}") from None


def _absolute(value: object) -> str:
    if isinstance(value, Path):
        return str(value.absolute())
    raise TypeError(f"{value!r} has no place in a document")
