"""Settings on their way to another process: one JSON document, made and read by the fields there are."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import TypeAdapter, ValidationError

from serving.settings import ServeError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")


def to_document(settings: DataclassInstance) -> str:
    """All fields; paths are made absolute, as the other process may work in another folder."""
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
