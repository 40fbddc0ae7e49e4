"""Segments that are told before the answer: the answer's own in the end, and nothing of it is changed."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from media_factory import beginning
from untrained import write_checkpoints

from outofsync.nodes import DeblurNode, EnsembleNode, Request
from outofsync.progress import Progress, Step, amounts_of
from outofsync.segment_file import SUFFIX, SegmentFile, segments_of
from outofsync.synchrony.embedding.schedule import FURTHEST_DELAY
from outofsync.synchrony.interface import SyncOutput
from outofsync.synchrony.registry import load_sync

SAMPLE = Path(__file__).parents[3] / "samples" / "synchronised.mp4"
OPTIONS = json.dumps({"max_len": 20, "include": ["delays", "features"]}).encode()
NOT_COMPARED = ("timing_ms",)


class Kept(SegmentFile):
    """Keeps every line."""

    def __init__(self) -> None:
        self.lines: list[tuple[bool, list[dict[str, Any]]]] = []

    @property
    def wanted(self) -> bool:
        return True

    def tell(self, segments: Any, *, anew: bool = False) -> None:
        self.lines.append((anew, [dict(one) for one in segments]))


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> EnsembleNode:
    folder = write_checkpoints(tmp_path_factory.mktemp("checkpoints"))
    return EnsembleNode.load(folder, "cpu", {"threads": 1})


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What the first node makes of the whole sample, long enough for several hundred windows."""
    folder = write_checkpoints(tmp_path_factory.mktemp("first"))
    first = DeblurNode.load(folder, "cpu", {"threads": 1})
    (made,) = first.run([Request(SAMPLE.read_bytes(), OPTIONS, "x")])
    return made


def judged(node: EnsembleNode, clip: bytes, *waiting: Progress) -> list[dict[str, Any]]:
    requests = [Request(clip, None, "x", progress=one) for one in waiting]
    answers = [json.loads(answer) for answer in node.run(requests)]
    for answer in answers:
        for name in NOT_COMPARED:
            del answer[name]
    return answers


def without(segments: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in one.items() if name != "preliminary"} for one in segments]


@pytest.mark.slow
def test_whoever_follows_changes_nothing_and_has_the_answers_segments_in_the_end(
    node: EnsembleNode, clip: bytes
) -> None:
    alone = judged(node, clip, Progress())
    kept = Kept()
    followed = judged(node, clip, Progress(segments=kept))
    assert followed == alone
    told = {(one["start"], one["track"]): one for _, line in kept.lines for one in line}
    last = [told[place] for place in sorted(told)]
    assert not any(one["preliminary"] for one in last)
    assert without(last) == alone[0]["segments"]
    early = [line for anew, line in kept.lines[: [anew for anew, _ in kept.lines].index(True)]]
    assert early, "some are told while lips and voice are compared"
    by_place = {(one["start"], one["end"]): one for one in alone[0]["segments"]}
    for one in (one for line in early for one in line):
        assert one["preliminary"]
        assert (one["start"], one["end"]) in by_place
        assert one["score"] == pytest.approx(by_place[one["start"], one["end"]]["score"], rel=0.5)


@pytest.mark.slow
def test_in_a_batch_each_hears_of_its_own(node: EnsembleNode, clip: bytes) -> None:
    kept = [Kept(), Kept()]
    answers = judged(node, clip, Progress(segments=kept[0]), Progress(), Progress(segments=kept[1]))
    assert answers[0] == answers[1] == answers[2]
    for one in kept:
        told = {(each["start"], each["track"]): each for _, line in one.lines for each in line}
        assert without([told[place] for place in sorted(told)]) == answers[0]["segments"]


@pytest.mark.slow
def test_both_are_told_in_files(tmp_path: Path) -> None:
    name = secrets.token_hex(16)
    for path in (tmp_path / name, tmp_path / f"{name}{SUFFIX}"):
        path.touch(0o600)
    folder = write_checkpoints(tmp_path / "checkpoints")
    first = DeblurNode.load(folder, "cpu", {"threads": 1})
    second = EnsembleNode.load(folder, "cpu", {"threads": 1})
    video = beginning(SAMPLE, 4.0)
    opened = Progress.open(tmp_path, name)
    (clip,) = first.run([Request(video, b'{"deblur": "always"}', "x", progress=opened)])
    opened.close()
    halfway = amounts_of((tmp_path / name).read_bytes())
    assert halfway[Step.FACES].expected == pytest.approx(100, abs=2)
    assert halfway[Step.COMPARE].expected == pytest.approx(100, rel=0.2), "foreseen by the first node"
    opened = Progress.open(tmp_path, name)
    (answer,) = second.run([Request(clip, None, "x", progress=opened)])
    opened.close()
    found = amounts_of((tmp_path / name).read_bytes())
    assert all(amount.done == amount.expected > 0 for amount in found.values())
    assert halfway[Step.SCORE].expected == pytest.approx(found[Step.SCORE].expected, rel=0.2)
    assert halfway[Step.DEBLUR].expected == found[Step.COMPARE].expected
    segments = segments_of((tmp_path / f"{name}{SUFFIX}").read_bytes())
    assert without(segments) == json.loads(answer)["segments"]


@pytest.mark.parametrize("size", [260, 700])
def test_windows_are_known_up_to_rounding_before_the_rest_is(tmp_path: Path, size: int) -> None:
    from outofsync.checkpoints.store import Checkpoint
    from outofsync.frames import RawFrames
    from outofsync.synchrony.interface import SyncInput

    checkpoints = write_checkpoints(tmp_path)
    network = load_sync(Checkpoint.load(checkpoints / "sync.safetensors", kind="sync"), "cpu")
    random = np.random.default_rng(size)
    frames = RawFrames(random.integers(0, 256, (size, 224, 224, 3), np.uint8))
    item = SyncInput(frames, random.integers(-3000, 3000, size * 640, np.int16))
    told: list[SyncOutput] = []

    def on_windows(number: int, output: SyncOutput) -> None:
        assert number == 1
        told.append(output)

    empty = SyncInput(RawFrames(frames.read(0, 3)), item.audio[:100])
    _, whole = network.evaluate([empty, item], on_windows=on_windows)
    (alone,) = network.evaluate([item])
    assert whole.delays.tobytes() == alone.delays.tobytes()
    assert whole.features.tobytes() == alone.features.tobytes()
    known = np.concatenate([one.delays for one in told])
    assert 100 <= len(known) <= len(whole.delays)
    # Before it, there are delays at which nobody near can be compared, which takes the mean of the whole.
    inner = slice(FURTHEST_DELAY, len(known))
    np.testing.assert_allclose(known[inner], whole.delays[inner], atol=2e-3)
    assert whole.far is not None
    far = np.concatenate([one.far for one in told if one.far is not None])
    np.testing.assert_allclose(far[inner], whole.far[inner], atol=2e-3)
