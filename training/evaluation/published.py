"""Public deepfake collections that a user has: the whole product on every file, tables as published.

FakeAVCeleb (Khalid et al. 2021): the folder that holds ``meta_data.csv``. KoDF (Kwon et al. 2021): a folder
of genuine and one of synthesised mp4 files. Neither is part of this project.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from outofsync.nodes import Request
from training.evaluation.detection import Judged, Row, row_of
from training.evaluation.judging import GENUINE, Product, Record, Subject, Treatment, record_of
from training.evaluation.report import Table

METADATA = "meta_data.csv"
REAL_TYPE = "RealVideo-RealAudio"
EVERYTHING = "every fake"
# What the two folders of KoDF are called: by its makers, and in the project's own command.
KODF_REAL = ("real", "original", "original_videos")
KODF_FAKE = ("fake", "synthesized", "synthesized_videos")


@dataclass(frozen=True)
class Video:
    """A file of a collection; ``kind`` is genuine or the category and the method that made it."""

    path: Path
    category: str
    method: str
    identity: str

    @property
    def kind(self) -> str:
        return GENUINE if self.category == REAL_TYPE else f"{self.category}, {self.method}".rstrip(", ")


def fakeavceleb(folder: Path) -> list[Video]:
    """The files that ``meta_data.csv`` lists and the folder holds.

    A line names the file in one cell and its folder in another, whose column has no title; the folder is
    given from the collection's own top. Raises ValueError where there is no list, or no file of it.
    """
    table = folder / METADATA
    if not table.exists():
        raise ValueError(f"{folder} holds no {METADATA}")
    videos = []
    with table.open(newline="") as file:
        lines = csv.reader(file)
        header = next(lines)
        columns = {name: header.index(name) for name in ("source", "method", "type")}
        for cells in lines:
            name = next((cell for cell in cells if cell.lower().endswith(".mp4")), "")
            inside = next((cell for cell in cells if "/" in cell), "")
            category = cells[columns["type"]]
            parts = Path(inside).parts
            start = parts.index(category) if category in parts else 0
            path = folder.joinpath(*parts[start:])
            path = path if path.suffix.lower() == ".mp4" else path / Path(name).name
            if path.exists():
                source, method = cells[columns["source"]], cells[columns["method"]]
                videos.append(Video(path, category, method, source))
    if not videos:
        raise ValueError(f"{folder} holds none of the files that {METADATA} lists")
    return videos


def kodf(folder: Path) -> list[Video]:
    """Every mp4 below the folders of genuine and of synthesised videos.

    Folders right below the latter name the method; a file's own folder names the identity. Raises
    ValueError where one of the two is missing or empty.
    """
    videos = list[Video]()
    for names, fake in ((KODF_REAL, False), (KODF_FAKE, True)):
        top = next((folder / name for name in names if (folder / name).is_dir()), None)
        paths = sorted(top.rglob("*.mp4")) if top else []
        if top is None or not paths:
            raise ValueError(f"{folder} holds no mp4 in a folder called {' or '.join(names)}")
        for path in paths:
            parents = path.relative_to(top).parts[:-1]
            method = parents[0] if parents else ""
            identity = path.parent.name if parents else path.stem
            videos.append(Video(path, "synthesised" if fake else REAL_TYPE, method, identity))
    return videos


def judge_video(product: Product, video: Video) -> Record:
    """One file through both nodes with default options; a file that cannot be judged is a record too."""
    (clip,) = product.deblur.run([Request(video.path.read_bytes(), None, video.path.name)])
    (answer,) = product.ensemble.run([Request(clip, None, video.path.name)])
    result = json.loads(answer)
    subject, treatment = Subject(video.path.name, video.identity), Treatment(video.kind)
    if "error" in result:
        return Record(subject, treatment, 0, "error", reasons=(result["error"]["code"],))
    return record_of(result, subject, treatment, len(result.get("delays", [])))


def collection_table(records: Sequence[Record], resamples: int) -> list[Row]:
    """Genuine files, every fake, each category by itself, and each method in it."""
    judged = Judged(records, resamples)
    genuine = judged.genuine()
    fakes = [record for record in records if record.kind != GENUINE]
    groups = {EVERYTHING: fakes}
    for category in sorted({record.kind.split(", ")[0] for record in fakes}):
        mine = [record for record in fakes if record.kind.split(", ")[0] == category]
        groups[category] = mine
        methods = sorted({record.kind for record in mine})
        if methods != [category]:
            groups |= {kind: [record for record in mine if record.kind == kind] for kind in methods}
    rows = [row_of(GENUINE, genuine, [], judged)]
    return rows + [row_of(name, group, genuine, judged) for name, group in groups.items()]


def collection_report(name: str, rows: Sequence[Row]) -> Table:
    header = (
        "kind",
        "files",
        "identities",
        "AUC",
        "average precision",
        "AUC of `score`",
        "average precision of `score`",
        "called fake",
        "inconclusive",
        "not ranked",
    )
    cells = [
        (
            row.name,
            row.clips,
            row.identities,
            row.detection.auc,
            row.detection.average_precision,
            row.by_score.auc,
            row.by_score.average_precision,
            row.called_fake,
            row.abstained,
            row.unjudged,
        )
        for row in rows
    ]
    note = (
        "Every file through the whole product with default options, `mode=full`. Average precision is for as "
        "many fakes as genuine files; every identity counts alike."
    )
    return Table("detection", name, header, cells, note)
