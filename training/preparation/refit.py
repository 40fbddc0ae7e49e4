"""Fit the rule of the check to a network, and measure what it keeps, drops and puts right.

    python -m training.prepare --refit --check checkpoints/sync.safetensors --output-dir .cache/clips

Genuine clips that the network did not learn from (the held-out part of ``train``, and ``val``; never
``test``) are cut into spans of several lengths. Each is also given the sound of another span, and its own
sound five frames early and nine frames late. ``sure`` and ``nowhere`` are the strengths that 1 and 5 % of
spans with a wrong voice reach. Every identity counts alike.

Some genuine clips have an offset of their own, which nobody labelled: shifted ones are right where the whole
clip they were cut from says they should be, if that is sure. Of those that stay in place, it does not matter.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from outofsync.checkpoints.store import Checkpoint
from outofsync.constants import FRAME_RATE, SAMPLES_PER_FRAME
from outofsync.frames import FrameStore
from outofsync.synchrony.interface import SyncInput, SyncNetwork
from outofsync.synchrony.registry import load_sync
from training.clips import PreparedClip, held_out, prepared
from training.preparation.agreement import ENOUGH, IN_STEP, Agreement, Finding, Rule, State, decide, pooled
from training.preparation.check import mean_delays
from training.preparation.ledger import Entry
from training.spans import Sound, Span, cut_frames, inverse_frequency_weights, overlap, pieces

LENGTHS = (30, 60, 100, 125, 250)  # frames
SHORTEST = 25  # frames of a clip that still counts as one of 30
MAX_OF_A_CLIP, MAX_OF_A_SOURCE = 4, 64  # spans of one length
TOGETHER = (4, 8)  # spans of the least length that are judged as a group
SHIFTS = (-5, 9)  # frames by which the sound is made late
SURE_SHARE, NOWHERE_SHARE = 0.99, 0.95  # of spans with a wrong voice below each of the two strengths


@dataclass(frozen=True)
class Excerpt:
    """A span of one clip, and what the network says of the whole clip."""

    frames: FrameStore
    audio: Sound
    source: str
    identity: str
    whole: Agreement


@dataclass(frozen=True)
class Trial:
    """What the network says of one span, or of several together, and what should be found."""

    size: str  # how long, in words
    kind: str  # genuine, another voice, or shifted
    late: int  # frames by which the sound comes late
    source: str
    identity: str
    agreement: Agreement
    whole: Agreement
    group: bool = False


def refit(folder: Path, network: Path) -> Rule:
    """A rule for this network; prints what it does. Raises ``ValueError`` where there are too few clips."""
    checkpoint = Checkpoint.load(network, kind="sync")
    clips = [clip for clip in prepared(folder, split="train") if held_out(clip)]
    trials = list(trials_of([*clips, *prepared(folder, split="val")], load_sync(checkpoint)))
    rule = fit(trials, checkpoint.sha256)
    print(f"sure from {rule.sure:.1f}, nowhere below {rule.nowhere:.1f}")
    print("\n".join(table(trials, rule)))
    return rule


def fit(trials: Sequence[Trial], network: str) -> Rule:
    """Quantiles of the strengths of spans with a wrong voice, long enough to be judged at all."""
    wrong = [t for t in trials if t.kind == "another voice" and t.agreement.windows >= ENOUGH]
    if len(wrong) < 1 / (1 - NOWHERE_SHARE):
        raise ValueError(f"a rule needs more clips than give {len(wrong)} spans of two seconds")
    nowhere, sure = np.quantile(
        [trial.agreement.strength for trial in wrong],
        [NOWHERE_SHARE, SURE_SHARE],
        weights=weights_of(wrong),
        method="inverted_cdf",
    ).tolist()
    return Rule(round(sure, 2), round(nowhere, 2), network)


def trials_of(clips: Iterable[PreparedClip], network: SyncNetwork) -> Iterator[Trial]:
    """Every span of every length as it is, with another's sound, and shifted; the shortest also in groups."""
    read = [Whole(*clip.read(), clip.facts, network) for clip in clips]
    for length in LENGTHS:
        spans = list(spans_of(read, length))
        size = f"{length / FRAME_RATE:.1f} s"
        print(f"{len(spans)} spans of {size}", flush=True)
        trials = [trial for number in range(len(spans)) for trial in _trials(spans, number, size, network)]
        yield from trials
        if length == LENGTHS[0]:
            for count in TOGETHER:
                yield from in_groups(trials, count)


class Whole:
    """A clip in memory, and what the network says of all of it."""

    def __init__(self, frames: FrameStore, audio: Sound, facts: Entry, network: SyncNetwork) -> None:
        self.frames, self.audio = frames, audio
        self.source, self.identity = facts["source"], facts["identity"] or facts["file"]
        self._network = network

    @cached_property
    def agreement(self) -> Agreement:
        """Asked for only where a span is used."""
        (output,) = self._network.evaluate([SyncInput(self.frames, self.audio)])
        return mean_delays(output.delays)

    def __len__(self) -> int:
        return min(len(self.frames), self.audio.size // SAMPLES_PER_FRAME)


def spans_of(read: Iterable[Whole], length: int) -> Iterator[Excerpt]:
    """Consecutive spans of one length, not too many of any clip or source."""
    taken: Counter[str] = Counter()
    least = SHORTEST if length == LENGTHS[0] else length
    for clip in read:
        for start, stop in islice(pieces(len(clip), length, least), MAX_OF_A_CLIP):
            if taken[clip.source] >= MAX_OF_A_SOURCE:
                break
            taken[clip.source] += 1
            frames, sound = cut_frames(clip.frames, start, stop), clip.audio[Span.of(start, stop).sound]
            yield Excerpt(frames, sound, clip.source, clip.identity, clip.agreement)


def _trials(spans: Sequence[Excerpt], number: int, size: str, network: SyncNetwork) -> Iterator[Trial]:
    own, other = spans[number], spans[(number + len(spans) // 2) % len(spans)]
    heard = [("genuine", 0, SyncInput(own.frames, own.audio))]
    if other is not own:
        heard.append(("another voice", 0, SyncInput(own.frames, other.audio)))
    heard += [("shifted", late, _shifted(own, late)) for late in SHIFTS]
    outputs = network.evaluate([item for _, _, item in heard])
    for (kind, late, _), output in zip(heard, outputs, strict=True):
        agreement = mean_delays(output.delays)
        if agreement.windows:
            yield Trial(size, kind, late, own.source, own.identity, agreement, own.whole)


def _shifted(own: Excerpt, late: int) -> SyncInput:
    """A span whose sound comes ``late`` frames late, cut where one of both is missing."""
    left = overlap((0, len(own.frames)), (0, own.audio.size), late)
    return SyncInput(cut_frames(own.frames, left.picture.start, left.picture.stop), own.audio[left.sound])


def in_groups(trials: Sequence[Trial], count: int) -> Iterator[Trial]:
    """Spans of one source and kind, ``count`` at a time, as a group would be judged."""
    alike = defaultdict(list)
    for trial in trials:
        alike[trial.source, trial.kind, trial.late].append(trial)
    for (source, kind, late), members in alike.items():
        for start in range(0, len(members) - count + 1, count):
            group = members[start : start + count]
            together = pooled([trial.agreement for trial in group])
            yield Trial(f"{count} of {group[0].size}", kind, late, source, source, together, together, True)


def weights_of(trials: Sequence[Trial]) -> NDArray[np.float64]:
    """Within each length, every identity counts alike: (trials,)."""
    return inverse_frequency_weights([(trial.size, trial.identity) for trial in trials])


def table(trials: Sequence[Trial], rule: Rule) -> Iterator[str]:
    """Shares of spans by what the rule makes of them: a row for each length and kind."""
    yield "| length | kind | spans | fits where it is said to be | fits elsewhere | fits nowhere | not told |"
    yield "|---|---|---|---|---|---|---|"
    rows = defaultdict(list)
    for trial in trials:
        rows[trial.size, trial.kind].append(trial)
    for (size, kind), members in rows.items():
        found, weights = [outcome(trial, rule) for trial in members], weights_of(members)
        shares = [
            float(np.average([one == wanted for one in found], weights=weights))
            for wanted in ("right", "wrong", "nowhere", "not told")
        ]
        cells = " | ".join(f"{share:.0%}" for share in shares)
        yield f"| {size} | {kind} | {len(members)} | {cells} |"


def outcome(trial: Trial, rule: Rule) -> str:
    """``right`` where the sound ends up within a frame of its place (with a wrong voice: nothing is).

    A group is never said to fit nowhere.
    """
    decision = decide(trial.agreement, trial.agreement, rule)
    if decision.state is State.NOT_IN_SYNC:
        return "not told" if trial.group else "nowhere"
    if decision.state is State.UNCHECKED:
        return "not told"
    own_offset = trial.kind == "shifted" and not trial.group and rule.judge(trial.whole) is Finding.FITS
    place = trial.late + (trial.whole.best if own_offset else 0)
    right = trial.kind != "another voice" and abs(trial.agreement.best - place) <= IN_STEP
    return "right" if right else "wrong"
