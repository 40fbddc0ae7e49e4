"""What is wrong with one file, wherever it lies: an archive, or a checkpoint that one is to be made of.

Nothing of it is unpacked, loaded or run to find that out, and all that is wrong is said, not the first alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from safetensors import SafetensorError, safe_open

from outofsync_client import UnreadableFileError
from serving.rollout.errors import ArchiveError
from serving.rollout.store import ModelStore
from serving.rollout.verifying import PICKLED_KINDS, WEIGHTS_KIND, doubts, faults
from serving.signing import Keys, SigningError, sign, signature_of

ARCHIVE_KINDS = (".mar", ".war")
SIGNING_HINT = "`make archives` makes one where there is none; OUTOFSYNC_KEYS names another folder of keys."
FACTS = ("format", "kind", "architecture", "config", "version", "about")  # of a checkpoint


def is_file_name(named: str) -> bool:
    """Whether somebody means a file rather than a version."""
    path = Path(named)
    return path.suffix.lower() in (*ARCHIVE_KINDS, WEIGHTS_KIND, *PICKLED_KINDS) or len(path.parts) > 1


def inspect(path: Path) -> tuple[str, ...]:
    """A sentence for each thing that is wrong; raises :class:`UnreadableFileError` where there is no file."""
    if not path.is_file():
        raise UnreadableFileError(f"there is no file {path}")
    store = ModelStore(path.parent)
    if path.suffix in ARCHIVE_KINDS:
        try:
            vouching = tuple(doubts(store, path))
        except ArchiveError as error:  # of the sums themselves
            vouching = (error.message, *filter(None, [store.unsigned(path)]))
        return (*vouching, *faults(path))
    if path.suffix == WEIGHTS_KIND:
        unsigned = store.unsigned(path) if signature_of(path).exists() else ""
        return (*filter(None, [unsigned]), *_of_checkpoint(path))
    if path.suffix.lower() in PICKLED_KINDS:
        return ("it is a pickle by its name, and pickles run code when they are loaded",)
    return (f"it is neither an archive ({', '.join(ARCHIVE_KINDS)}) nor a checkpoint ({WEIGHTS_KIND})",)


def sign_file(path: Path) -> None:
    """Sign an archive or a checkpoint with the key of whoever calls.

    Raises :class:`ArchiveError` for what is not sound, or where there is no key to sign with.
    """
    if found := tuple(_of_checkpoint(path)) if path.suffix == WEIGHTS_KIND else faults(path):
        raise ArchiveError(f"{path.name} is not signed: {found[0]}")
    try:
        key, _ = Keys.of_environment().signer()
        if key is None:
            raise SigningError("there is no key to sign with")
        sign(path, key)
    except (SigningError, OSError) as error:
        raise ArchiveError(f"{path.name} is not signed: {error}", hint=SIGNING_HINT) from None


SIGNING_HINT = (
    "OUTOFSYNC_KEYS names the folder of signing.key; `make archives` makes one where there is none."
)


def _of_checkpoint(path: Path) -> Iterator[str]:
    """Header and tensors fit the file, and it says what network they are of."""
    try:
        with safe_open(path, framework="numpy") as content:
            facts = content.metadata() or {}
    except (OSError, SafetensorError) as error:
        yield f"it is no safetensors file ({error})"
        return
    if missing := [name for name in FACTS if name not in facts]:
        yield f"it is no checkpoint of this project: it does not say its {' and '.join(missing)}"
