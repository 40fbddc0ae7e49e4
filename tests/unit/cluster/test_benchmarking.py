"""The tables of a public collection are made of what a run wrote, whatever became of its videos."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from unit.cluster.test_store import opened, outcome

from outofsync_cluster.benchmarking import TABLES_FILE, collection, lines, tables
from outofsync_cluster.cli import cli
from outofsync_cluster.errors import ClusterError
from outofsync_cluster.stages import Outcome


@pytest.fixture
def dfdc(tmp_path: Path) -> Path:
    folder = tmp_path / "dfdc" / "dfdc_train_part_0"
    folder.mkdir(parents=True)
    facts = {f"r{number}.mp4": {"label": "REAL"} for number in range(3)}
    facts |= {f"f{number}.mp4": {"label": "FAKE", "original": f"r{number}.mp4"} for number in range(3)}
    for name in facts:
        (folder / name).write_text(name)
    shutil.copy(folder / "f0.mp4", folder / "f2.mp4")
    (folder / "metadata.json").write_text(json.dumps(facts))
    return folder.parent


def judged(path: Path, probability: float) -> Outcome:
    """What a run made of a video; contents are known by their bytes."""
    one = outcome(str(path), path.read_text())
    result = {**json.loads(one.answer or b""), "probability_fake": probability}
    return replace(one, answer=json.dumps(result).encode())


def test_results_are_joined_by_place_and_content(dfdc: Path, tmp_path: Path) -> None:
    store = opened(tmp_path / "out")
    with collection("dfdc", str(dfdc)) as found:
        named = [json.loads(line)["path"] for line in Path(found.manifest).read_text().splitlines()]
        assert named == [str(video.path) for video in found.videos]
        for video in found.videos[:-1]:
            store.add(judged(video.path, 0.9 if video.is_fake else 0.2))
        store.add(outcome(named[-1], code="no_audio"))
        store.write()
        everything, fakes = tables(found, store.folder)
    assert everything.videos == fakes.videos == 3
    assert everything.auc is not None
    assert everything.auc.value == 1.0
    assert everything.unjudged == 1, "a copy has the result of what it is a copy of, a failure has none"
    header, first, _ = lines([everything, fakes])
    assert header.split() == ["category", "fakes", "not", "judged", "AUC", "average", "precision", "accuracy"]
    assert first.startswith("every fake  3")
    stated = json.loads((tmp_path / "out" / TABLES_FILE).read_text())
    assert [row["category"] for row in stated["rows"]] == ["every fake", "fake"]


def test_the_command_knows_the_layout(dfdc: Path, tmp_path: Path) -> None:
    words = ["--output-dir", str(tmp_path / "out"), "--benchmark", "dfdc"]
    told = CliRunner().invoke(cli, [str(dfdc), *words, "--dry-run"])
    assert "would read 6 videos" in told.output
    refused = CliRunner().invoke(cli, [str(tmp_path), *words[:-1], "kodf", "--dry-run"])
    assert refused.exit_code == 2
    assert "no folder called real" in refused.output


def test_a_bucket_is_no_folder() -> None:
    with pytest.raises(ClusterError, match="from a folder"), collection("dfdc", "s3://videos/dfdc"):
        pass
