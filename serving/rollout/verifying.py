"""Looks at an archive before TorchServe does: it must be what was built, and hold nothing that unpickles.

An archive's Python is code by nature; sums say that it is the code which was built, not that it is harmless.
Everything else must be of a kind that is known to hold data alone, by its name and by its first bytes, so
that a pickle finds no place, whatever it is called. TorchServe unpacks by the headers before each entry, this
reads by the directory at the end; so both must say the same, and nothing may lie between the entries.
"""

from __future__ import annotations

import hashlib
import json
import pickletools
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from outofsync_client.protocol import MANIFEST, SUMS_FILE
from serving.rollout.errors import ArchiveError
from serving.rollout.store import ModelStore, parse_sums, sha256_of

MAX_BYTES = 4 * 1024**3  # unpacked
MAX_ENTRIES = 10_000
MAX_TEXT_BYTES = 4 * 1024**2
TEXT_KINDS = (".py", ".json", ".yaml")
WEIGHTS_KIND = ".safetensors"
PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
LOCAL_HEADER = struct.Struct("<4s5H3L2H")  # what stands before an entry: 30 bytes, its name, its extra field
ENCRYPTED = 0x01  # flags of an entry
SIZES_FOLLOW = 0x08  # come after the entry, so that a reader must guess its end
# What Python raises of a damaged zip file, or of JSON that is nested without end.
UNREADABLE = (zipfile.BadZipFile, zlib.error, struct.error, NotImplementedError, RecursionError, EOFError)
IMPORTS = ("GLOBAL", "INST")  # of the operations of a pickle, those that text can hold
NAMES = re.compile(r"[\w.]+ [\w.]+")
PICKLED_KINDS = frozenset((".pkl", ".pickle", ".pt", ".pth", ".bin", ".ckpt", ".joblib", ".npy", ".npz"))


def verify(store: ModelStore, archive: Path, *, node: str, version: str) -> None:
    """Raises :class:`ArchiveError`, which says what is wrong, unless the archive is a version of the node."""
    verify_content(store, archive)
    with zipfile.ZipFile(archive) as file:
        _check_manifest(archive, file, node, version)


def verify_content(store: ModelStore, archive: Path) -> None:
    """Raises :class:`ArchiveError` unless an archive is as it was built, whatever it is an archive of."""
    for said in (*doubts(store, archive), *faults(archive)):
        raise _wrong(archive, said)


def doubts(store: ModelStore, archive: Path) -> Iterator[str]:
    """Why nobody vouches for a file of the store: its sum, and its signature where a key asks for one."""
    if not archive.is_file():
        yield f"it is not in {store.path}"
        return
    wanted = store.sums().get(archive.name)
    if wanted is None:
        yield f"{SUMS_FILE} does not name it"
    elif wanted != sha256_of(archive):
        yield f"its SHA-256 is not that in {SUMS_FILE}: it was altered, or not copied whole"
    if said := store.unsigned(archive):
        yield said


def faults(archive: Path) -> tuple[str, ...]:
    """What is wrong inside an archive, a sentence each; none of it is unpacked to find that out.

    Where names, sizes or the layout are not to be trusted, what the entries hold is not looked at.
    """
    try:
        with zipfile.ZipFile(archive) as file:
            return (
                tuple(_of_entries(file))
                or tuple(_of_layout(archive, file))
                or (*_of_sums(file), *(said for name in file.namelist() if (said := _of_content(file, name))))
            )
    except UNREADABLE as error:
        return (f"it is no whole zip file ({error})",)


def _of_entries(file: zipfile.ZipFile) -> Iterator[str]:
    """Names that stay inside, each once, plain files, and no more of them than an archive has."""
    entries = file.infolist()
    if len(entries) > MAX_ENTRIES or sum(entry.file_size for entry in entries) > MAX_BYTES:
        yield "it unpacks to more than an archive holds"
        return
    seen = set()
    for entry in entries:
        name = entry.filename
        parts = PurePosixPath(name).parts
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if name.startswith("/") or ".." in parts or "\\" in name or ":" in name or not name.isprintable():
            yield f"its entry {name!r} would be unpacked elsewhere"
        elif name in seen:
            yield f"it holds {name!r} twice"
        elif kind not in (0, stat.S_IFREG) or entry.is_dir():
            yield f"its entry {name!r} is no plain file"
        elif entry.compress_type not in PACKINGS or entry.flag_bits & (ENCRYPTED | SIZES_FOLLOW):
            yield f"its entry {name!r} is packed in a way that no archive is"
        seen.add(name)


def _of_layout(archive: Path, file: zipfile.ZipFile) -> Iterator[str]:
    """Entries lie one after the other up to the directory, each behind a header that says the same."""
    end = 0
    with archive.open("rb") as content:
        for entry in sorted(file.infolist(), key=lambda entry: entry.header_offset):
            content.seek(entry.header_offset)
            header = LOCAL_HEADER.unpack(content.read(LOCAL_HEADER.size))
            _, _, _, packing, _, _, crc, packed, unpacked, name_bytes, extra_bytes = header
            promised = (entry.compress_type, entry.CRC, entry.compress_size, entry.file_size)
            if entry.header_offset != end or (packing, crc, packed, unpacked) != promised:
                yield f"it hides something at its entry {entry.filename!r}"
                return
            end += LOCAL_HEADER.size + name_bytes + extra_bytes + packed
    if end != file.start_dir:
        yield "it hides something behind its last entry"


def _of_sums(file: zipfile.ZipFile) -> Iterator[str]:
    """The sums inside name every other entry, and each has its sum."""
    if SUMS_FILE not in file.namelist():
        yield f"it holds no {SUMS_FILE}"
        return
    try:
        lines = file.read(SUMS_FILE).decode().splitlines()
        sums = dict(parse_sums(lines))
    except ValueError:
        yield f"its {SUMS_FILE} cannot be read"
        return
    entries = set(file.namelist()) - {SUMS_FILE}
    if strange := entries ^ set(sums):
        yield f"its {SUMS_FILE} and its entries differ: {', '.join(sorted(strange)[:3])}"
    for name in sorted(entries & set(sums)):
        with file.open(name) as content:
            found = hashlib.file_digest(content, "sha256").hexdigest()  # type: ignore[arg-type]
        if found != sums[name]:
            yield f"its entry {name!r} is not what {SUMS_FILE} says"


def _of_content(file: zipfile.ZipFile, name: str) -> str:
    """What is wrong unless it is text that is text, or weights that are safetensors."""
    kind = PurePosixPath(name).suffix
    if kind.lower() in PICKLED_KINDS:
        return f"it holds {name!r}, and pickles run code when they are loaded"
    if kind == WEIGHTS_KIND:
        if not _is_safetensors(file, name):
            return f"{name!r} is not the safetensors file that its name promises"
    elif kind in TEXT_KINDS or name == SUMS_FILE:
        if file.getinfo(name).file_size > MAX_TEXT_BYTES:
            return f"{name!r} is larger than any text in an archive ({MAX_TEXT_BYTES // 1024**2} MiB)"
        if not _is_text(file.read(name)):
            return f"{name!r} is not the text that its name promises"
        if kind != ".py" and _imports(file.read(name)):
            return f"{name!r} is a pickle, and pickles run code when they are loaded"
    else:
        return f"it holds {name!r}, which belongs in no archive"
    return ""


def _is_safetensors(file: zipfile.ZipFile, name: str) -> bool:
    """Whether a header of JSON stands where the format has it."""
    with file.open(name) as content:
        length = int.from_bytes(content.read(8), "little")
        if not 2 <= length <= MAX_TEXT_BYTES:
            return False
        try:
            return isinstance(json.loads(content.read(length)), dict)
        except ValueError:
            return False


def _is_text(data: bytes) -> bool:
    try:
        return "\0" not in data.decode("utf-8")
    except UnicodeDecodeError:
        return False


def _imports(data: bytes) -> bool:
    """Whether this, read as a pickle, imports anything: the oldest kind of pickle is plain text."""
    try:
        return any(
            opcode.name in IMPORTS and NAMES.fullmatch(str(argument))
            for opcode, argument, _ in pickletools.genops(data)
        )
    except ValueError:  # it breaks off before it imports
        return False


def _check_manifest(archive: Path, file: zipfile.ZipFile, node: str, version: str) -> None:
    try:
        model = json.loads(file.read(MANIFEST))["model"]
        found = (model["modelName"], model["modelVersion"])
    except (KeyError, ValueError, TypeError):
        raise _wrong(archive, f"its {MANIFEST} cannot be read") from None
    if found != (node, version):
        raise _wrong(archive, f"it says of itself that it is {found[0]} {found[1]}, not {node} {version}")


def _wrong(archive: Path, what: str) -> ArchiveError:
    return ArchiveError(f"{archive.name} is refused: {what}")
