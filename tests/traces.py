"""Looks for a video where nothing of it may be: on disk, in memory-backed folders, in open deleted files.

The marker is a sample with noise of this run in every picture and in the sound, so that chance holds none of
it. What is looked for are pieces of the file as it was sent, and of the crops and the sound as the first node
writes them: the engine computes the same bit for bit, here as there.
"""

from __future__ import annotations

import os
import random
import secrets
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil
from untrained import write_checkpoints

from benchmarks.alterations import UNCHANGED, written
from outofsync.clip import Clip
from outofsync.frames import JpegFrames
from outofsync.nodes import DeblurNode, Request
from outofsync.spool import Spool
from serving.settings import ROOT
from training.evaluation.degradations import read_footage

SECONDS = 2.0
NAME = f"diary-{secrets.token_hex(8)}.mp4"  # as the caller calls the file

SNIPPET = 48  # bytes: chance does not repeat so many
SHARED_MEMORY = Path("/dev/shm")
EVERYWHERE = (SHARED_MEMORY, Path("/var/tmp"), Path("/run"))


class Marker(NamedTuple):
    """A video, and the pieces of it that must not be found."""

    video: bytes
    marks: list[bytes]


def make_marker(folder: Path) -> Marker:
    """A video of one's own, and what the small networks' server makes of it on the way."""
    noise = np.random.default_rng(secrets.randbits(64))
    footage = read_footage((ROOT / "samples" / "synchronised.mp4").read_bytes(), SECONDS)
    for place, picture in enumerate(footage.pictures):
        spoiled = picture.astype(np.int16) + noise.integers(-4, 5, picture.shape)
        footage.pictures[place] = np.clip(spoiled, 0, 255).astype(np.uint8)
    footage.sound[:] = footage.sound // 2 + noise.integers(-400, 400, footage.sound.shape)
    video = written(footage, UNCHANGED)
    spool = Spool(folder / "clips", 1 << 28)
    (where,) = DeblurNode.load(write_checkpoints(folder), "cpu", {}, spool).run([Request(video, None, "")])
    clip = Clip.from_bytes(where, spool)
    (spooled,) = (folder / "clips").iterdir()
    marks = marks_of(video, spooled.read_bytes(), clip.audio.tobytes())
    clip.close()
    spooled.unlink(missing_ok=True)
    return Marker(video, [*marks, NAME.encode()])


def marks_of(*contents: bytes, each: int = 12) -> list[bytes]:
    """Snippets of what must not be found: from all over each content, none of them monotonous."""
    chance = random.Random(16)
    everywhere = JpegFrames.encode(np.zeros((224, 224, 3), np.uint8))  # what all coded crops begin with
    found = []
    for content in contents:
        tries = (content[place : place + SNIPPET] for place in _places(chance, len(content)))
        varied = [one for one in tries if len(set(one)) > SNIPPET // 3 and one not in everywhere]
        assert len(varied) >= each, "the marker is too monotonous to be told from chance"
        found += varied[:each]
    return found


def _places(chance: random.Random, length: int) -> Iterator[int]:
    return (chance.randrange(max(1, length - SNIPPET)) for _ in range(1000))


def traces(
    marks: Iterable[bytes], folders: Iterable[Path], processes: Iterable[psutil.Process], *, since: float
) -> list[str]:
    """The files written since then that hold any of the marks, and deleted ones that a process holds open.

    The folders are searched, and those that everybody may write to.
    """
    marks = list(marks)
    places = (*folders, *EVERYWHERE, Path(tempfile.gettempdir()))
    files = {path.resolve() for folder in places for path in _files(folder, since)}
    found = [str(path) for path in sorted(files) if _holds(path, marks)]
    for process in processes:
        with suppress(psutil.Error, OSError):
            for link in Path(f"/proc/{process.pid}/fd").iterdir():
                with suppress(OSError):
                    target = str(link.readlink())
                    if ("memfd:" in target or target.endswith("(deleted)")) and _holds(link, marks):
                        found.append(f"{process.pid} {target}")
    return found


def _files(folder: Path, since: float) -> Iterator[Path]:
    """Regular files below a folder that were changed since; links are not followed."""
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place) / name
            with suppress(OSError):
                if path.is_file() and not path.is_symlink() and path.stat().st_ctime >= since:
                    yield path


def _holds(path: Path, marks: list[bytes]) -> bool:
    with suppress(OSError), path.open("rb") as file:
        content = file.read()
        return any(mark in content for mark in marks)
    return False
