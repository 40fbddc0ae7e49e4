"""What the networks say about spans of ``val``: genuine, generated, and genuine with another sound.

The calibration is fitted on these. They go through the product's own node, so that what is weighed in service
is what was weighed in training. Genuine clips whose sound is moved inside the broadcast window stay genuine.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from outofsync.appearance.schedule import FaceJudge
from outofsync.checkpoints.store import Checkpoint
from outofsync.clip import Clip
from outofsync.faces import RetinaFaceDetector
from outofsync.findings import evidence_of, speakers
from outofsync.frames import FrameStore
from outofsync.limits import Limits
from outofsync.nodes import EnsembleNode
from outofsync.scoring.abstention import Abstention
from outofsync.scoring.score import load_scorer
from outofsync.synchrony.registry import load_sync
from training.calibration import GENERATED, GENUINE, VOICE, Case
from training.clips import PreparedClip, prepared
from training.evaluation import judging
from training.evaluation.material import (
    LONGEST,
    MAX_MANIPULATED,
    MAX_PIECES,
    PIECE_FRAMES,
    donors_of,
    identity_of,
    kind_of,
    read,
    sound_with,
)
from training.preparation.workers import each, one_thread
from training.spans import excerpt, frames_of, pieces, with_sound_shifted, with_sound_swapped

INSIDE, OUTSIDE = (-2, 3), (-7, 7, 12)  # frames by which sound is made late
SIDES = {judging.GENUINE: GENUINE, judging.GENERATED: GENERATED, judging.DUBBED: VOICE}


@dataclass(frozen=True)
class Networks:
    """Checkpoints of one folder that belong together."""

    sync: Path
    scoring: Path
    face: Path | None


@dataclass(frozen=True)
class Task:
    """One clip, and whose sound is put to it; nobody's where it stays as it is."""

    clip: PreparedClip
    donors: tuple[tuple[str, PreparedClip], ...] = ()
    manipulated: bool = False


class CachedFaceJudge(FaceJudge):
    """A face network that is asked once about each track, however many sounds it is put to."""

    @cached_property
    def _scores(self) -> dict[tuple[int, bytes, bytes], NDArray[np.float32]]:
        return {}

    def _one(
        self, track: FrameStore, on_stretch: Callable[[Sequence[float]], None] | None
    ) -> NDArray[np.float32]:
        last = len(track) - 1
        first, end = (
            hashlib.sha256(track.read(number, number + 1).tobytes()).digest() for number in (0, last)
        )
        key = last, first, end
        if key not in self._scores:
            self._scores[key] = super()._one(track, on_stretch)
        return self._scores[key]


def cases_of(networks: Networks, clips: Path, *, split: str = "val", workers: int = 2) -> list[Case]:
    """Cases of all clips of a split."""
    found = prepared(clips, split=split, labels=("real", "fake"))
    genuine = [clip for clip in found if kind_of(clip) == judging.GENUINE]
    counted = Counter[str]()
    tasks = []
    for clip in sorted(found, key=lambda clip: -int(clip.facts["frames"])):
        counted[identity_of(clip)] += 1
        chosen = kind_of(clip) == judging.GENUINE and counted[identity_of(clip)] <= MAX_MANIPULATED
        tasks.append(Task(clip, tuple(donors_of(clip, genuine).items()) if chosen else (), chosen))
    calls = ((number, (networks, task)) for number, task in enumerate(tasks))
    answers = each(_cases_of_clip, calls, workers=workers, begin=one_thread)
    by_number = dict(answers)
    return [case for number in range(len(tasks)) for case in by_number[number]]


@cache
def _node(networks: Networks) -> EnsembleNode:
    face = networks.face and CachedFaceJudge.from_checkpoint(Checkpoint.load(networks.face, kind="face"))
    return EnsembleNode(
        load_sync(Checkpoint.load(networks.sync, kind="sync")),
        load_scorer(Checkpoint.load(networks.scoring, kind="scoring")),
        RetinaFaceDetector(),
        face or None,
        lam=0.0,
        calibration=None,
        abstention=Abstention(sure_offset=2.0),  # nothing is sure: every case is read inside the window
        limits=Limits(),
        model={},
    )


def _cases_of_clip(networks: Networks, task: Task) -> list[Case]:
    """Every version of one clip."""
    node = _node(networks)
    return [
        case
        for side, kind, clip, by_hand in _versions(task)
        if (case := _case(node, clip, identity_of(task.clip), side, kind, by_hand)) is not None
    ]


def _versions(task: Task) -> Iterator[tuple[str, str, Clip, bool]]:
    """Side, kind, clip, and whether its sound was moved outside the window."""
    clip = read(task.clip)
    length = min(frames_of(clip), LONGEST)
    kind = kind_of(task.clip)
    side = SIDES[kind]
    own = str(task.clip.facts["generator"]) or kind
    sounds = [(name, sound_with(donor)) for name, donor in task.donors]
    for start, stop in [(0, length), *list(pieces(length, PIECE_FRAMES))[:MAX_PIECES]]:
        yield side, own, excerpt(clip, start, stop), False
        if not task.manipulated:
            continue
        for name, sound in sounds:
            if (made := with_sound_swapped(clip, start, stop, sound)) is not None:
                yield VOICE, name, made, False
        for late in (*INSIDE, *OUTSIDE):
            if (made := with_sound_shifted(clip, start, stop, late)) is not None:
                outside = late in OUTSIDE
                yield (VOICE if outside else GENUINE), ("shifted" if outside else own), made, outside


def _case(node: EnsembleNode, clip: Clip, group: str, side: str, kind: str, by_hand: bool) -> Case | None:
    """What the node finds; None where it cannot score."""
    ((findings, alignment),) = node.findings([clip])
    if alignment is None:
        return None
    speaking = speakers(findings)
    return Case(
        group,
        side,
        kind,
        evidence_of(speaking, alignment.judged),
        tuple(each for finding in speaking for each in finding.readings[alignment.judged].evidence),
        alignment.offset,
        alignment.confidence,
        by_hand,
    )
