"""Rendered talking heads as a source: every seed is another person with another voice."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2

from samples.generate import make_head
from training.preparation.sources import Defaults, Source

SECONDS = 6.0
SIZE = 256  # px


def render_heads(folder: Path, seeds: range, *, seconds: float = SECONDS, workers: int = 1) -> list[Path]:
    """Render the heads that are not there yet, ``head_<seed>.mp4`` each.

    Raises:
        EspeakMissingError: espeak-ng is not installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = {seed: folder / f"head_{seed:06d}.mp4" for seed in seeds}
    missing = [seed for seed, path in paths.items() if not path.exists()]
    if missing:
        # A process for each head: espeak-ng does not forget what it said before.
        context = get_context("fork")
        with context.Pool(workers, cv2.setNumThreads, (1,), maxtasksperchild=1) as pool:
            render = partial(_render, folder=folder, seconds=seconds)
            for done, _ in enumerate(pool.imap_unordered(render, missing, chunksize=1), start=1):
                if done % 20 == 0:
                    print(f"{done} of {len(missing)} heads rendered", flush=True)
    return list(paths.values())


def _render(seed: int, folder: Path, seconds: float) -> None:
    """Under another name until it is complete, so that a head that is there is a whole one."""
    with TemporaryDirectory(dir=folder) as unfinished:
        path = make_head(seed, seconds, SIZE, Path(unfinished))
        path.replace(folder / path.name)


def heads(paths: list[Path], defaults: Defaults) -> Iterator[Source]:
    """Each head is an identity of its own."""
    for path in paths:
        split = defaults.split_for(path.stem)
        yield Source(path, f"heads/{path.name}", split, "real", "", path.stem, "rendered heads")
