"""``--benchmark``: a public collection is scored as a catalogue is, and tables are made of its results."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from outofsync_cluster.benchmark_tables import Figure, Row, table
from outofsync_cluster.errors import ClusterError
from outofsync_cluster.layouts import Listed, listed
from outofsync_cluster.places import SEPARATOR, Place
from outofsync_cluster.store import read_rows

TABLES_FILE = "benchmark.json"
HEADER = ("category", "fakes", "not judged", "AUC", "average precision", "accuracy")


@dataclass(frozen=True)
class Collection:
    """A public collection's videos, and the list by which a run scores them."""

    name: str
    videos: Sequence[Listed]
    manifest: str


@contextmanager
def collection(name: str, folder: str) -> Iterator[Collection]:
    """What a folder laid out like this collection holds. Raises :class:`ClusterError` for others."""
    if SEPARATOR in folder:
        raise ClusterError(f"--benchmark reads the lists of {name} from a folder; {folder} is none")
    videos = listed(name, Path(folder).absolute())
    with TemporaryDirectory(prefix="outofsync-benchmark-") as made:
        manifest = Path(made) / f"{name}.jsonl"
        with manifest.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps({"path": str(video.path)}) + "\n" for video in videos)
        yield Collection(name, videos, str(manifest))


def tables(found: Collection, output: Place) -> list[Row]:
    """The rows of a collection that was scored into a folder; they are written there as JSON, too."""
    values = {
        row["key"]: row["probability_fake"]
        for row in read_rows(output, "videos", ["key", "probability_fake"])
    }
    probabilities = {
        row["uri"]: values.get(row["key"]) for row in read_rows(output, "sources", ["uri", "key"])
    }
    rows = table(found.videos, probabilities)
    stated = {"collection": found.name, "rows": [asdict(row) for row in rows]}
    output.child(TABLES_FILE).write(json.dumps(stated, indent=2).encode() + b"\n")
    return rows


def lines(rows: Sequence[Row]) -> Iterator[str]:
    """The table as text, in columns."""
    cells = [HEADER, *(_cells(row) for row in rows)]
    widths = [max(len(line[place]) for line in cells) for place in range(len(HEADER))]
    for line in cells:
        yield "  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip()


def _cells(row: Row) -> tuple[str, ...]:
    figures: tuple[Figure | None, ...] = (row.auc, row.average_precision, row.accuracy)
    stated = ("none" if figure is None else str(figure) for figure in figures)
    return (row.category, str(row.videos), str(row.unjudged), *stated)
