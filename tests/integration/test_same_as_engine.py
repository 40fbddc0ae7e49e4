"""A server answers what the engine answers in process, whatever else it is asked at the same time."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from server_fixture import CHECKPOINTS, LiveServer

from outofsync.nodes import DeblurNode, EnsembleNode, Request
from outofsync.options import INCLUDE
from serving.settings import ROOT

pytestmark = pytest.mark.server

SAMPLES = sorted((ROOT / "samples").glob("*.mp4"))
CLIPS = 20
LONGEST_CLIP_S = 6.0
CLIENTS = 8  # twice the largest batch
OPTIONS = {"include": list(INCLUDE)}

Answer = dict[str, Any]


class Engine:
    """Both nodes as the archives set them up, one request at a time."""

    def __init__(self, checkpoints: Path) -> None:
        self._deblur = DeblurNode.load(checkpoints, "cpu", archive_settings("deblur"))
        self._ensemble = EnsembleNode.load(checkpoints, "cpu", archive_settings("ensemble"))

    def detect(self, file: Path) -> Answer:
        options = json.dumps(OPTIONS).encode()
        (clip,) = self._deblur.run([Request(file.read_bytes(), options, file.stem)])
        (result,) = self._ensemble.run([Request(clip, None, file.stem)])
        answer: Answer = json.loads(result)
        return answer


def archive_settings(model: str) -> dict[str, Any]:
    """What an archive hands its node."""
    config = yaml.safe_load((ROOT / "archives" / model / "model-config.yaml").read_text())
    return dict(config["outofsync"])


def served_at_once(server: LiveServer, files: Sequence[Path]) -> list[Answer]:
    """The workflow's answers to several clients, so that requests share batches."""
    with ThreadPoolExecutor(CLIENTS) as clients:
        return list(
            clients.map(lambda file: server.detect(file.read_bytes(), request_id=file.stem, **OPTIONS), files)
        )


def differences(served: Answer, expected: Answer) -> list[str]:
    """Fields that differ, timings apart."""
    fields = sorted((served.keys() | expected.keys()) - {"timing_ms"})
    return [field for field in fields if served.get(field) != expected.get(field)]


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """With as many threads as a worker has: another number of them rounds sums differently."""
    before = torch.get_num_threads()
    torch.set_num_threads(archive_settings("ensemble")["threads"] or before)
    yield Engine(CHECKPOINTS)
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def clips(shared_dir: Path) -> list[Path]:
    """Short clips from all over the list: every split and label, and as many sources as there is room for."""
    with (shared_dir / "clips" / "clips.csv").open(newline="") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: row["file"])
    kinds = {
        (row["split"], row["label"], row["source"]): row["file"]
        for row in rows
        if float(row["seconds"]) <= LONGEST_CLIP_S
    }
    files = [shared_dir / "clips" / kinds[kind] for kind in sorted(kinds)]
    return [files[index * len(files) // CLIPS] for index in range(CLIPS)]


def test_samples(server: LiveServer, engine: Engine) -> None:
    expected = {file: engine.detect(file) for file in SAMPLES}
    files = SAMPLES * 3
    for file, answer in zip(files, served_at_once(server, files), strict=True):
        assert differences(answer, expected[file]) == [], file.name


@pytest.mark.shared
def test_clips(server: LiveServer, engine: Engine, clips: Sequence[Path]) -> None:
    answers = served_at_once(server, clips)
    # Clips that shared a pass report the same time for it: fewer times than clips means batches formed.
    times = {answer["timing_ms"]["synchrony"] for answer in answers if "timing_ms" in answer}
    assert len(times) < len(clips) / 2
    for file, answer in zip(clips, answers, strict=True):
        assert differences(answer, engine.detect(file)) == [], file.name
