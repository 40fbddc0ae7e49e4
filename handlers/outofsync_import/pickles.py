"""Arrays out of pickle files, without running what the files say.

Unpickling calls whatever a file names. This reader admits what NumPy arrays are rebuilt with and the two
scikit-learn classes of the published projection, and even those only as inert holders of their attributes.
"""

from __future__ import annotations

import io
import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from outofsync.checkpoints.store import CheckpointError

LARGEST_FILE = 1024**3  # bytes; the largest published file has 163 MB
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


# NumPy's own rebuilding functions, taken from what it pickles by: their module differs between releases.
_ARRAY = np.zeros(0).__reduce__()[0]
_SCALAR = np.float64(0).__reduce__()[0]
_FROM_BUFFER = np.zeros(1).__reduce_ex__(5)[0]


def _encoded(text: str, _: str) -> bytes:
    """Raw bytes as pickle protocol 2 spells them, whatever codec the file asks for."""
    return text.encode("latin1")


ADMITTED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("numpy.core.multiarray", "_reconstruct"): _ARRAY,
    ("numpy.core.multiarray", "scalar"): _SCALAR,
    ("numpy._core.multiarray", "_reconstruct"): _ARRAY,
    ("numpy._core.multiarray", "scalar"): _SCALAR,
    ("numpy.core.numeric", "_frombuffer"): _FROM_BUFFER,
    ("numpy._core.numeric", "_frombuffer"): _FROM_BUFFER,
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
        estimator = _ArrayUnpickler(io.BytesIO(data)).load()
    except Exception as error:  # a hostile file can raise anything on its way to being refused
        raise CheckpointError(f"{path.name} is no pickled projection: {error}") from None
    if not isinstance(estimator, Holder):
        raise CheckpointError(f"{path.name} holds {type(estimator).__name__}, no pickled projection")
    return estimator


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
