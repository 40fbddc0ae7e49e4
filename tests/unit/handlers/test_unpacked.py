"""A worker that starts from files which are no longer what was unpacked says so, and does not judge."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from pretended_torchserve import write_archive

from unpacked import check_unpacked


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_archive(tmp_path / "ensemble.mar", "ensemble", "1.0")
    with zipfile.ZipFile(tmp_path / "ensemble.mar") as file:
        file.extractall(tmp_path / "unpacked")
    return tmp_path / "unpacked"


def test_what_was_built_is_loaded(folder: Path) -> None:
    check_unpacked(folder)


def test_a_file_that_was_cut_short_is_named(folder: Path) -> None:
    cut = folder / "handler.py"
    cut.write_bytes(cut.read_bytes()[:-1] + b"#")
    with pytest.raises(ValueError, match=r"handler\.py .* is not what the archive holds"):
        check_unpacked(folder)


def test_a_file_that_was_cleaned_away_is_named(folder: Path) -> None:
    (folder / "handler.py").unlink()
    with pytest.raises(ValueError, match=r"handler\.py of the archive is missing"):
        check_unpacked(folder)


def test_a_folder_that_was_never_an_archive_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "sync.safetensors").write_bytes(b"anything")
    check_unpacked(tmp_path)
