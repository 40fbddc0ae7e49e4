"""One file format for every network: safetensors whose metadata says what it is.

Metadata: ``format``, ``kind`` (sync, scoring, face or deblur), ``architecture`` (which class reads it),
``config`` (JSON, the class's keyword arguments), ``version`` and ``about`` (JSON: data, licence, command,
numbers). Weights may be stored in sixteen bits; they are read as float32.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as save_tensors
from torch import Tensor

FORMAT = "outofsync-checkpoint/1"
KINDS = ("sync", "scoring", "face", "deblur")


class CheckpointError(ValueError):
    """A file that is not a checkpoint of the kind asked for; the message says what it is instead."""


@dataclass(frozen=True)
class Checkpoint:
    """Weights with the facts needed to build and to name their network."""

    kind: str
    architecture: str
    config: dict[str, Any]
    tensors: dict[str, Tensor]
    version: str = "1.0"
    about: dict[str, Any] = field(default_factory=dict)
    sha256: str = ""

    def save(self, path: Path) -> None:
        """Write the checkpoint; the same content gives the same bytes."""
        metadata = {
            "format": FORMAT,
            "kind": self.kind,
            "architecture": self.architecture,
            "config": json.dumps(self.config, sort_keys=True),
            "version": self.version,
            "about": json.dumps(self.about, sort_keys=True),
        }
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in self.tensors.items()}
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")  # a crash never leaves half a checkpoint under its real name
        partial.write_bytes(_with_sorted_header(save_tensors(tensors, metadata)))
        partial.replace(path)

    def halved(self) -> Checkpoint:
        """The same with its weights in sixteen bits: half the size, and as good."""
        tensors = {
            name: tensor.half() if tensor.is_floating_point() else tensor
            for name, tensor in self.tensors.items()
        }
        return replace(self, tensors=tensors)

    @classmethod
    def load(cls, path: Path, *, kind: str | None = None) -> Checkpoint:
        """Read a checkpoint; raises :class:`CheckpointError` for another format or kind."""
        try:
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata() or {}
                names = file.keys()  # the file itself is no iterator
                tensors = {name: _widened(file.get_tensor(name)) for name in names}
        except (SafetensorError, OSError) as error:
            raise CheckpointError(f"{path.name} is not a readable safetensors file: {error}") from None
        if metadata.get("format") != FORMAT:
            raise CheckpointError(f"{path.name} is no OutOfSync checkpoint; import it first (make import)")
        try:
            loaded = cls(
                kind=metadata["kind"],
                architecture=metadata["architecture"],
                config=json.loads(metadata["config"]),
                tensors=tensors,
                version=metadata["version"],
                about=json.loads(metadata["about"]),
                sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
            )
        except (KeyError, ValueError, RecursionError) as error:
            raise CheckpointError(f"{path.name} does not say what a checkpoint has to: {error}") from None
        if kind is not None and loaded.kind != kind:
            raise CheckpointError(f"{path.name} holds a {loaded.kind} network, not a {kind} network")
        return loaded


def _widened(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.dtype == torch.float16 else tensor


def _with_sorted_header(data: bytes) -> bytes:
    """The same safetensors file with its header in a fixed order, which the library leaves to chance."""
    length = int.from_bytes(data[:8], "little")
    header = json.dumps(json.loads(data[8 : 8 + length]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)  # tensors begin at a multiple of eight bytes
    return len(header).to_bytes(8, "little") + header + data[8 + length :]
