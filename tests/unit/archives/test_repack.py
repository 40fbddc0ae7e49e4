"""Archives depend on their content alone."""

from __future__ import annotations

import hashlib
import json
import time
import zipfile
from pathlib import Path

from archives.repack import repack


def make_zip(path: Path, names: list[str], *, year: int, created: str) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name, (year, 1, 1, 0, 0, 0)), name.encode() * 100)
        archive.writestr("MAR-INF/MANIFEST.json", json.dumps({"createdOn": created, "runtime": "python"}))
    return path


def test_order_times_and_compression_leave_no_trace(tmp_path: Path) -> None:
    one = make_zip(tmp_path / "one.zip", ["a.py", "b/c.py"], year=2001, created="yesterday")
    two = make_zip(tmp_path / "two.zip", ["b/c.py", "a.py"], year=2020, created="today")
    repack(one, tmp_path / "one.mar")
    repack(two, tmp_path / "two.mar")
    assert (tmp_path / "one.mar").read_bytes() == (tmp_path / "two.mar").read_bytes()


def test_content_survives(tmp_path: Path) -> None:
    source = make_zip(tmp_path / "source.zip", ["a.py"], year=2001, created="yesterday")
    repack(source, tmp_path / "target.mar")
    with zipfile.ZipFile(tmp_path / "target.mar") as archive:
        assert archive.read("a.py") == b"a.py" * 100
        assert json.loads(archive.read("MAR-INF/MANIFEST.json"))["runtime"] == "python"
        assert archive.testzip() is None


def test_an_unchanged_archive_is_left_alone(tmp_path: Path) -> None:
    source = make_zip(tmp_path / "source.zip", ["a.py"], year=2001, created="yesterday")
    target = tmp_path / "target.mar"
    assert repack(source, target)
    modified = target.stat().st_mtime_ns
    time.sleep(0.01)
    assert not repack(source, target)
    assert target.stat().st_mtime_ns == modified
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source.zip", "target.mar"]


def test_an_archive_names_the_sum_of_each_of_its_files(tmp_path: Path) -> None:
    source = make_zip(tmp_path / "source.zip", ["b.py", "a.py"], year=2001, created="yesterday")
    repack(source, tmp_path / "target.mar")
    with zipfile.ZipFile(tmp_path / "target.mar") as archive:
        lines = archive.read("SHA256SUMS").decode().splitlines()
        named = [line.split("  ")[1] for line in lines]
        assert sorted(["SHA256SUMS", *named]) == sorted(archive.namelist())
        for line in lines:
            digest, name = line.split("  ")
            assert hashlib.sha256(archive.read(name)).hexdigest() == digest
