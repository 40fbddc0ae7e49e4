"""Ask a synchronisation network about clips already prepared: move the sound, or drop the clip.

A pass changes ledgers only. The sound is moved when a clip is read (``sound_late`` in the manifest, in
frames), and a dropped clip keeps its place in the shard, so that a better network can decide anew. What the
network said is kept in ``agreement-….jsonl``, one file for each network: an interrupted pass goes on there.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from outofsync.checkpoints.store import Checkpoint
from outofsync.clip import Clip
from outofsync.constants import DELAYS, FRAME_RATE
from outofsync.synchrony.interface import SyncInput, SyncNetwork
from outofsync.synchrony.registry import load_sync
from training.preparation.agreement import Agreement, Decision, Rule, State, decide, pooled, put_right
from training.preparation.ledger import Entry, append, read_ledger, rewrite
from training.preparation.run import alone, manifest_of, skipped_of
from training.preparation.shards import place, read_payload
from training.preparation.workers import Over, processes
from training.spans import in_place

CHECKED_LABEL = "real"  # nothing says that lips and voice of the others should fit
MESSAGE = "lips and voice fit at no delay"

Asked = tuple[str, float]  # the place of a clip, and by how many frames its sound was taken to be late


def asked(entry: Entry, late: int) -> Asked:
    """The key of an answer. ``late`` comes on top of what is known about the clip's whole set."""
    return place(entry), late + float(entry.get("set_late", 0.0))


def score_clip(folder: Path, entry: Entry, late: float, network: Path) -> tuple[int, Agreement]:
    """Frames of a clip with its sound moved, and its mean delays; what each worker does."""
    clip = Clip.from_bytes(read_payload(folder / entry["clip"], entry))
    track = clip.tracks[0]
    frames, audio = in_place(track.frames, clip.audio, start=track.start, late=late)
    (output,) = _network(network).evaluate([SyncInput(frames, audio)])
    return len(frames), mean_delays(output.delays)


def mean_delays(delays: np.ndarray[Any, np.dtype[np.float32]]) -> Agreement:
    """(windows, 31) logits → their mean; a clip too short for a window says nothing."""
    mean = delays.astype(np.float64).mean(0) if len(delays) else np.zeros(DELAYS)
    return Agreement(len(delays), mean)


@cache
def _network(path: Path) -> SyncNetwork:
    return load_sync(Checkpoint.load(path, kind="sync"))


class ScoreCache:
    """What one network says about the clips of a folder, asked once and kept."""

    def __init__(self, folder: Path, network: Path, *, over: Over | None = None) -> None:
        self.sha256 = Checkpoint.load(network, kind="sync").sha256
        self._folder = folder
        self._network = network
        self._over = over or processes(1)
        self._ledger = folder / f"agreement-{self.sha256[:12]}.jsonl"
        self._known: dict[Asked, tuple[int, Agreement]] = {}
        for line in read_ledger(self._ledger):
            agreement = Agreement(line["windows"], np.array(line["delays"]))
            self._known[line["clip"], line["late"]] = line["frames"], agreement

    def fill(self, questions: Iterable[tuple[Entry, int]]) -> None:
        """Have an answer to each question: a clip, and by how many frames its sound is taken to be late."""
        missing = [(entry, asked(entry, late)) for entry, late in questions]
        missing = [(entry, key) for entry, key in missing if key not in self._known]
        calls = ((key, (self._folder, entry, key[1], self._network)) for entry, key in missing)
        answers = self._over(score_clip, calls)
        for done, ((clip, late), (frames, agreement)) in enumerate(answers, start=1):
            self._known[clip, late] = frames, agreement
            append(
                self._ledger,
                {
                    "clip": clip,
                    "late": late,
                    "frames": frames,
                    "windows": agreement.windows,
                    "delays": [round(value, 4) for value in agreement.delays.tolist()],
                },
            )
            if done % 200 == 0:
                print(f"{done} of {len(missing)} clips checked", flush=True)

    def agreement(self, entry: Entry, late: int = 0) -> Agreement:
        return self._known[asked(entry, late)][1]

    def frames(self, entry: Entry, late: int) -> int:
        return self._known[asked(entry, late)][0]


def check(
    folder: Path, scores: ScoreCache, rule: Rule, *, splits: Sequence[str] = ("train",)
) -> Counter[str]:
    """Check genuine clips of some splits, those dropped by an earlier check too; returns clips by state.

    Judging ``val`` or ``test`` would flatter every network measured there: what it cannot read would be gone.
    Raises :class:`~training.preparation.run.BusyError`.
    """
    with alone(folder):
        written, skipped = read_ledger(manifest_of(folder)), read_ledger(skipped_of(folder))
        dropped = {place(entry): entry for entry in skipped if entry["code"] == State.NOT_IN_SYNC}
        everything = {place(entry): entry for entry in written} | dropped
        checked = [
            entry
            for entry in everything.values()
            if entry["split"] in splits and entry["label"] == CHECKED_LABEL
        ]
        scores.fill((entry, 0) for entry in checked)
        decisions = confirmed(checked, first_decisions(checked, scores, rule), scores)
        for entry in checked:
            decision = decisions[place(entry)]
            everything[place(entry)] = with_decision(entry, decision, scores)
        _write(folder, list(everything.values()), skipped)
        return Counter(decision.state.value for decision in decisions.values())


def note_set(folder: Path, source: str, late: float) -> int:
    """Write down that all sound of a source comes ``late`` frames late; returns how many clips it has.

    Those that a check dropped are told too: it may bring them back. Raises
    :class:`~training.preparation.run.BusyError`.
    """
    count = 0
    with alone(folder):
        for path in (manifest_of(folder), skipped_of(folder)):
            entries = read_ledger(path)
            members = [entry for entry in entries if entry["source"] == source and "clip" in entry]
            for entry in members:
                entry["set_late"] = late
            if members:
                rewrite(path, entries)
            count += len(members)
    return count


def groups_of(entries: Iterable[Entry]) -> dict[tuple[str, str], list[Entry]]:
    """Clips of one source and identity; one of unknown identity is a group of its own."""
    groups = defaultdict(list)
    for entry in entries:
        groups[entry["source"], entry["identity"] or place(entry)].append(entry)
    return dict(groups)


def first_decisions(entries: Sequence[Entry], scores: ScoreCache, rule: Rule) -> dict[str, Decision]:
    """By place: what the clips say as they are."""
    decisions = {}
    for members in groups_of(entries).values():
        group = pooled([scores.agreement(entry) for entry in members])
        for entry in members:
            decisions[place(entry)] = decide(scores.agreement(entry), group, rule)
    return decisions


def confirmed(
    entries: Sequence[Entry], decisions: dict[str, Decision], scores: ScoreCache
) -> dict[str, Decision]:
    """The same decisions, but moves that a second look does not bear out are taken back."""
    moves = [(entry, decisions[place(entry)]) for entry in entries if decisions[place(entry)].late]
    scores.fill((entry, decision.late) for entry, decision in moves)
    unconfirmed = {}
    for members in groups_of(entry for entry, _ in moves).values():
        together = [entry for entry in members if decisions[place(entry)].state is State.AS_GROUP]
        as_group = [scores.agreement(entry, decisions[place(entry)].late) for entry in together]
        for entry in members:
            decision = decisions[place(entry)]
            alone_now = scores.agreement(entry, decision.late)
            if not put_right(pooled(as_group) if decision.state is State.AS_GROUP else alone_now):
                unconfirmed[place(entry)] = Decision(State.UNCHECKED)
    return decisions | unconfirmed


def with_decision(entry: Entry, decision: Decision, scores: ScoreCache) -> Entry:
    """A clip's line with what was found; that of a dropped clip says why, and reads as one skipped."""
    own = scores.agreement(entry)
    frames = scores.frames(entry, decision.late)
    kept = {key: value for key, value in entry.items() if key not in ("code", "message")}
    found = {
        "frames": frames,
        "seconds": round(frames / FRAME_RATE, 2),
        "sync": decision.state.value,
        "sound_late": decision.late,
        "best_delay": own.best,
        "sync_strength": round(own.strength, 2),
        "sync_network": scores.sha256[:12],
    }
    if decision.state is State.NOT_IN_SYNC:
        found |= {"code": State.NOT_IN_SYNC.value, "message": MESSAGE}
    return kept | found


def _write(folder: Path, entries: Sequence[Entry], skipped: Sequence[Entry]) -> None:
    """Both ledgers, in an order in which a crash may name a clip in both, but never in none."""
    others = [entry for entry in skipped if entry["code"] != State.NOT_IN_SYNC]
    dropped_before = [entry for entry in skipped if entry["code"] == State.NOT_IN_SYNC]
    dropped = [entry for entry in entries if "code" in entry]
    rewrite(skipped_of(folder), [*others, *dropped_before, *dropped])
    rewrite(manifest_of(folder), [entry for entry in entries if "code" not in entry])
    rewrite(skipped_of(folder), [*others, *dropped])
