"""Arrays out of pickle files, without running what the files say.

Unpickling calls whatever a file names. This reader admits what NumPy arrays are written as and the classes
of the published projection, each as a stand-in of its own: arrays are made here, of bytes that fill them, for
NumPy's own rebuilding believes what a file says and writes where it must not. The classes hold attributes
and do nothing.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import re
import warnings
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from outofsync.checkpoints.store import CheckpointError

LARGEST_FILE = 1024**3  # bytes; the largest published file has 163 MB
_NUMBERS = re.compile(r"b1|[iu][1248]|f[248]|c(8|16)")
NOTES = ("PUT", "BINPUT", "LONG_BINPUT")
WRAPPERS = ("model_state_dict", "state_dict")  # keys under which training programs keep the weights


class Holder:
    """Stands in for an estimator: keeps its attributes and does nothing."""

    def __init__(self, *_: object) -> None:
        self.attributes: dict[str, Any] = {}

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, dict):
            raise pickle.UnpicklingError("an estimator's state is no dictionary")
        self.attributes = state


class Pipeline(Holder): ...


class StandardScaler(Holder): ...


class PCA(Holder): ...


class _Type:
    """Stands in for NumPy's type of an array's numbers: of plain numbers alone."""

    def __init__(self, name: str, *_: object) -> None:
        self._name = name
        self._order = "="

    def __setstate__(self, state: tuple[object, ...]) -> None:
        _, self._order = str(state[0]), str(state[1])

    def dtype(self) -> np.dtype[Any]:
        name = str(self._name).lstrip("<>=|")
        if not _NUMBERS.fullmatch(name) or self._order not in ("<", ">", "=", "|"):
            raise pickle.UnpicklingError(f"an array is of {self._order}{name}, no plain numbers")
        return np.dtype(self._order + name)


class _Array(np.ndarray):
    """An array whose state is looked at before NumPy has it, which believes whatever a file says."""

    def __new__(cls) -> _Array:
        return super().__new__(cls, (0,), np.int8)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, fortran, data = state
        ready = _numbers(data, kind, shape, "F" if fortran else "C")
        checked: Any = (1, ready.shape, ready.dtype, bool(fortran), ready.tobytes("A"))
        super().__setstate__(checked)


def _numbers(data: bytes, kind: _Type, shape: tuple[int, ...], order: Literal["C", "F"]) -> NDArray[Any]:
    """An array of these bytes; raises ValueError or TypeError where they do not fill it exactly."""
    return np.frombuffer(bytes(data), kind.dtype()).reshape(shape, order=order)


def _reconstruct(kind: type[_Array], *_: object) -> _Array:
    return kind()


def _scalar(kind: _Type, data: bytes) -> Any:
    return _numbers(data, kind, (), "C")[()]


def _from_buffer(data: bytes, kind: _Type, shape: tuple[int, ...], order: Literal["C", "F"]) -> NDArray[Any]:
    return _numbers(data, kind, shape, order)


def _encoded(text: str, _: str) -> bytes:
    """Raw bytes as pickle protocol 2 spells them, whatever codec the file asks for."""
    return text.encode("latin1")


ADMITTED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Type,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "scalar"): _scalar,
    ("numpy.core.numeric", "_frombuffer"): _from_buffer,
    ("numpy._core.numeric", "_frombuffer"): _from_buffer,
    ("_codecs", "encode"): _encoded,
    ("sklearn.pipeline", "Pipeline"): Pipeline,
    ("sklearn.preprocessing._data", "StandardScaler"): StandardScaler,
    ("sklearn.decomposition._pca", "PCA"): PCA,
}


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return ADMITTED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no array needs") from None


def read_estimator(path: Path) -> Holder:
    """The pickled scikit-learn object of a file, inert; raises :class:`CheckpointError`."""
    data = _read(path)
    try:
        _check_notes(data)
        estimator = _ArrayUnpickler(io.BytesIO(data)).load()
    except Exception as error:  # a hostile file can raise anything on its way to being refused
        raise CheckpointError(f"{path.name} is no pickled projection: {error}") from None
    if not isinstance(estimator, Holder):
        raise CheckpointError(f"{path.name} holds {type(estimator).__name__}, no pickled projection")
    return estimator


def _check_notes(data: bytes) -> None:
    """Refuse a pickle that notes an object under a number beyond its own length.

    The unpickler fills a table up to that number: a few bytes would take all memory.
    """
    for operation, argument, _ in pickletools.genops(data):
        if operation.name in NOTES and int(argument or 0) > len(data):
            raise pickle.UnpicklingError(f"it notes an object as number {argument}")


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Named tensors of a ``.pth`` file, bare or under a usual key; raises :class:`CheckpointError`.

    Torch's own restricted unpickler reads it, which admits tensors and plain containers only.
    """
    data = _read(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickle protocols, which say nothing to whoever imports
            content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception:  # as above; torch's message advises to trust the file, which nobody should
        raise CheckpointError(f"{path.name} is damaged, or holds more than plain tensors") from None
    for key in WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not all(
        isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in content.items()
    ):
        raise CheckpointError(f"{path.name} holds no dictionary of named tensors")
    return dict(content)


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise CheckpointError(f"{path.name} is too large for a published file")
        return path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path.name} cannot be read: {error.strerror}") from None
