"""What a folder or a list names; a row that cannot be read is one video's problem."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from outofsync_cluster.errors import ClusterError
from outofsync_cluster.inventory import Item, items_of
from outofsync_cluster.places import Storage


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.mp4").write_bytes(b"a")
    (tmp_path / "b.mp4").write_bytes(b"bb")
    return tmp_path


def listed(source: Path) -> list[Item]:
    return list(items_of(str(source), Storage()))


def problems(items: list[Item]) -> list[str | None]:
    return [item.problem for item in items]


def test_a_table_names_videos_beside_it_and_elsewhere(folder: Path) -> None:
    (folder / "list.csv").write_text(f"label,path\nx,a.mp4\ny,{folder / 'b.mp4'}\n")
    (folder / "list.jsonl").write_text(f'{{"uri": "a.mp4"}}\n"{folder / "b.mp4"}"\n')
    (folder / "list.txt").write_text("# two\na.mp4\n\nb.mp4\n")
    pq.write_table(pa.table({"file": ["a.mp4", "b.mp4"]}), folder / "list.parquet")
    for suffix in ("csv", "jsonl", "txt", "parquet"):
        found = listed(folder / f"list.{suffix}")
        assert [(Path(item.uri).name, item.size_bytes) for item in found] == [("a.mp4", 1), ("b.mp4", 2)]
        assert problems(found) == [None, None]


@pytest.mark.parametrize(
    ("name", "data", "number"),
    [
        ("list.csv", b"uri\na.mp4\nno\0name.mp4\n" + b"x" * 200_000 + b"\nb.mp4\n", 2),
        ("list.jsonl", b'{"uri": "a.mp4"}\n{"uri"\n{"name": 1}\n[1]\n{"uri": "b.mp4"}\n', 3),
        ("list.txt", b"a.mp4\nhttp://127.0.0.1/c.mp4\nabsent.mp4\n\xff\xfe.mp4\nb.mp4\n", 3),
    ],
)
def test_rows_that_cannot_be_read_stop_no_other(folder: Path, name: str, data: bytes, number: int) -> None:
    (folder / name).write_bytes(data)
    found = problems(listed(folder / name))
    assert found[0] is found[-1] is None
    assert len(found[1:-1]) == number
    assert all(found[1:-1])


@pytest.mark.parametrize(
    ("name", "data"), [("list.csv", b"x,y\n1,2\n"), ("list.csv", b""), ("list.parquet", b"junk")]
)
def test_a_list_without_names_is_refused(folder: Path, name: str, data: bytes) -> None:
    (folder / name).write_bytes(data)
    with pytest.raises(ClusterError, match=name):
        listed(folder / name)
