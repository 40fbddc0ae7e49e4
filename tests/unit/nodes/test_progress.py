"""Both nodes tell how far they are, and let go of a request that nobody waits for, and of no other."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest
from decoders import decoders
from media_factory import beginning
from untrained import write_checkpoints

from outofsync.nodes import DeblurNode, EnsembleNode, Request
from outofsync.progress import AbandonedError, Progress, Step
from outofsync.spool import Spool

SAMPLE = Path(__file__).parents[3] / "samples" / "synchronised.mp4"
FACE = beginning(SAMPLE, 2.0)
MOST_BYTES = 1 << 28


class Kept(Progress):
    """Keeps what it is told; nobody waits any more once ``until`` has been reached."""

    def __init__(self, until: Step | None = None) -> None:
        super().__init__()
        self.until = until
        self.told: list[tuple[Step, float | None]] = []

    def tell(self, step: Step, share: float | None = None) -> None:
        self.told.append((step, share))
        if step is self.until:
            raise AbandonedError(step)


@pytest.fixture(scope="module")
def spool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("spool")


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory, spool: Path) -> tuple[DeblurNode, EnsembleNode]:
    folder = write_checkpoints(tmp_path_factory.mktemp("checkpoints"))
    settings = {"threads": 1}
    return (
        DeblurNode.load(folder, "cpu", settings, Spool(spool, MOST_BYTES)),
        EnsembleNode.load(folder, "cpu", settings, Spool(spool, MOST_BYTES)),
    )


def chain(
    nodes: tuple[DeblurNode, EnsembleNode], *waiting: Progress, video: bytes = FACE, **options: Any
) -> list[dict[str, Any]]:
    """Results as the workflow gives them, without what depends on the clock."""
    first, second = nodes
    sent = json.dumps(options).encode()
    clips = first.run([Request(video, sent, "x", progress=one) for one in waiting])
    requests = [Request(clip, None, "x", progress=one) for clip, one in zip(clips, waiting, strict=True)]
    answers = [json.loads(answer) for answer in second.run(requests)]
    for answer in answers:
        answer.pop("timing_ms", None)
    return answers


@pytest.fixture(scope="module")
def alone(nodes: tuple[DeblurNode, EnsembleNode]) -> dict[str, Any]:
    return chain(nodes, Progress())[0]


def test_every_step_is_told_in_order(nodes: tuple[DeblurNode, EnsembleNode]) -> None:
    kept = Kept()
    assert chain(nodes, kept, video=SAMPLE.read_bytes(), deblur="always")[0]["verdict"]
    order = list(Step)
    assert list(dict.fromkeys(step for step, _ in kept.told)) == order
    assert [step for step, _ in kept.told] == sorted((step for step, _ in kept.told), key=order.index)
    for step in order:
        shares = [share for told, share in kept.told if told is step and share is not None]
        assert all(earlier <= later for earlier, later in pairwise(shares))
        if step is not Step.DECODE:
            assert shares[0] == 0.0
            assert shares[-1] > 0.8, step


def test_telling_changes_nothing(nodes: tuple[DeblurNode, EnsembleNode], alone: dict[str, Any]) -> None:
    assert chain(nodes, Kept()) == [alone]


@pytest.mark.slow
@pytest.mark.parametrize("step", list(Step))
def test_whoever_left_is_let_go_and_nobody_else(
    nodes: tuple[DeblurNode, EnsembleNode], alone: dict[str, Any], spool: Path, step: Step
) -> None:
    left, stays = Kept(until=step), Kept()
    gone, answer = chain(nodes, left, stays)
    assert answer == alone
    if step is Step.SCORE:  # networks are at work on both together by then
        assert gone == alone
    else:
        assert (gone["error"]["code"], gone["error"]["stage"]) == ("cancelled", step)
        assert left.told[-1][0] is step
    assert list(spool.iterdir()) == []
    assert decoders(psutil.Process()) == []


@pytest.mark.slow
@pytest.mark.parametrize("step", list(Step))
def test_where_all_have_left_the_work_ends(
    nodes: tuple[DeblurNode, EnsembleNode], spool: Path, step: Step
) -> None:
    left = [Kept(until=step), Kept(until=step)]
    for answer in chain(nodes, *left, deblur="always"):
        assert (answer["error"]["code"], answer["error"]["stage"]) == ("cancelled", step)
    assert all(one.told[-1][0] is step for one in left)
    assert list(spool.iterdir()) == []
    counted = [outcome.code for node in nodes for outcome in node.tally.take().outcomes if outcome.code]
    assert counted[-2:] == ["cancelled"] * 2, "each is counted once, by the node that let go of it"


@pytest.mark.slow
def test_a_video_alone_is_let_go_of_too(nodes: tuple[DeblurNode, EnsembleNode]) -> None:
    first, second = nodes
    for step in (Step.DECODE, Step.DEBLUR):
        (answer,) = first.restore([Request(FACE, None, "x", progress=Kept(until=step))])
        assert json.loads(answer)["error"]["code"] == "cancelled"
    for step in (Step.DECODE, Step.FACES, Step.COMPARE, Step.SCORE):
        (answer,) = second.run([Request(FACE, None, "x", progress=Kept(until=step))])
        assert json.loads(answer)["error"]["code"] == "cancelled"
    assert decoders(psutil.Process()) == []
