"""Public collections, as their makers lay the folders out: which videos there are, and what each of them is.

* FakeAVCeleb (Khalid et al. 2021, github.com/DASH-Lab/FakeAVCeleb): ``meta_data.csv`` names each file, its
  source and its method; the four types of picture and sound are folders.
* KoDF (Kwon et al. 2021, github.com/deepbrainai-research/kodf): a folder of original and one of synthesised
  videos, folders below the latter name the method. So do the names of fakes, target_source_code_number.
* AV-Deepfake1M (Cai et al. 2024, github.com/ControlNet/AV-Deepfake1M, its loader): a folder for each split
  with speaker/video/part/real.mp4 beside the changed ones, and ``train_metadata.json``.
* DFDC (Dolhansky et al. 2020, kaggle.com/c/deepfake-detection-challenge): parts, each with a
  ``metadata.json`` of label and original by file name.

None of them is part of this project.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outofsync_cluster.errors import ClusterError

GENUINE = "genuine"
FAKEAVCELEB_TABLE = "meta_data.csv"
FAKEAVCELEB_REAL = "RealVideo-RealAudio"
KODF_REAL = ("real", "original", "original_videos")
KODF_FAKE = ("fake", "synthesized", "synthesized_videos")
KODF_CODES = {"1": "dfl", "2": "dffs", "3": "fsgan", "4": "fo", "5": "audio-driven"}
AV1M_SPLITS = ("train", "val")
AV1M_REAL = "real.mp4"
DFDC_TABLE = "metadata.json"


@dataclass(frozen=True, slots=True)
class Listed:
    """A video of a collection: ``category`` is what was done to it, or ``genuine``; ``method`` by what."""

    path: Path
    category: str
    identity: str
    method: str = ""

    @property
    def is_fake(self) -> bool:
        return self.category != GENUINE

    @property
    def kind(self) -> str:
        return f"{self.category}, {self.method}" if self.method else self.category


def fakeavceleb(folder: Path) -> Iterator[Listed]:
    """The files that the table lists and the folder holds; their folders' column has no title."""
    table = folder / FAKEAVCELEB_TABLE
    if not table.is_file():
        raise ClusterError(f"{folder} holds no {FAKEAVCELEB_TABLE}, as FakeAVCeleb does")
    with table.open(newline="", encoding="utf-8-sig") as file:
        lines = csv.reader(file)
        header = next(lines, [])
        missing = {"source", "method", "type"} - set(header)
        if missing:
            raise ClusterError(f"{table} has no column {', '.join(sorted(missing))}")
        columns = {name: header.index(name) for name in ("source", "method", "type")}
        for cells in lines:
            kind = cells[columns["type"]]
            path = _fakeavceleb_path(folder, cells, kind)
            if path.is_file():
                identity, method = cells[columns["source"]], cells[columns["method"]]
                if kind == FAKEAVCELEB_REAL:
                    yield Listed(path, GENUINE, identity)
                else:
                    yield Listed(path, kind, identity, method)


def _fakeavceleb_path(folder: Path, cells: list[str], kind: str) -> Path:
    name = next((cell for cell in cells if cell.lower().endswith(".mp4")), "")
    parts = Path(next((cell for cell in cells if "/" in cell), "")).parts
    path = folder.joinpath(*parts[parts.index(kind) if kind in parts else 0 :])
    return path if path.suffix.lower() == ".mp4" else path / Path(name).name


def kodf(folder: Path) -> Iterator[Listed]:
    """Every mp4 below the folders of original and of synthesised videos; who is seen is its identity."""
    for names, fake in ((KODF_REAL, False), (KODF_FAKE, True)):
        top = next((folder / name for name in names if (folder / name).is_dir()), None)
        if top is None:
            raise ClusterError(f"{folder} holds no folder called {' or '.join(names)}, as KoDF does")
        for path in sorted(top.rglob("*.mp4")):
            parents = path.relative_to(top).parts[:-1]
            named = path.stem.split("_")
            coded = fake and len(named) == 4
            method = KODF_CODES.get(named[2]) if coded else None
            identity = named[0] if coded else path.parent.name if parents else path.stem
            yield Listed(
                path, (method or (parents[0] if parents else "synthesised")) if fake else GENUINE, identity
            )


def av_deepfake1m(folder: Path) -> Iterator[Listed]:
    """The labelled splits: by their metadata where it is there, else by the names that all files have."""
    splits = [split for split in AV1M_SPLITS if (folder / split).is_dir()]
    if not splits:
        raise ClusterError(f"{folder} holds neither train nor val, as AV-Deepfake1M does")
    for split in splits:
        table = folder / f"{split}_metadata.json"
        if table.is_file():
            for entry in _json(table):
                path = folder / split / entry["file"]
                if path.is_file():
                    category = GENUINE if entry["modify_type"] == "real" else str(entry["modify_type"])
                    yield Listed(path, category.replace("-", "_"), Path(entry["file"]).parts[0])
            continue
        for path in sorted((folder / split).rglob("*.mp4")):
            speaker = path.relative_to(folder / split).parts[0]
            yield Listed(path, GENUINE if path.name == AV1M_REAL else path.stem, speaker)


def dfdc(folder: Path) -> Iterator[Listed]:
    """The files that the tables of all parts list; a fake counts as the original that it was made from."""
    tables = sorted(folder.rglob(DFDC_TABLE))
    if not tables:
        raise ClusterError(f"{folder} and its folders hold no {DFDC_TABLE}, as the parts of DFDC do")
    for table in tables:
        for name, facts in sorted(_json(table).items()):
            path, label = table.parent / name, str(facts.get("label", "")).upper()
            if path.is_file() and label in ("REAL", "FAKE"):
                yield Listed(path, GENUINE if label == "REAL" else "fake", facts.get("original") or name)


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ClusterError(f"{path} is not JSON: {error}") from None


LAYOUTS: dict[str, Callable[[Path], Iterator[Listed]]] = {
    "fakeavceleb": fakeavceleb,
    "kodf": kodf,
    "av-deepfake1m": av_deepfake1m,
    "dfdc": dfdc,
}


def listed(name: str, folder: Path) -> list[Listed]:
    """The videos of a collection. Raises :class:`ClusterError` for a folder that is not laid out as it is."""
    videos = list(LAYOUTS[name](folder))
    if not videos:
        raise ClusterError(f"{folder} holds none of the videos of {name}")
    return videos
