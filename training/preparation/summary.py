"""What a folder of clips holds, as a table for people."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from outofsync.constants import FRAME_RATE
from training.preparation.ledger import Entry, read_ledger
from training.preparation.run import manifest_of, skipped_of


def summary(folder: Path) -> str:
    """Clips by split and label, skipped videos by reason, checks by state, and what looks wrong."""
    written, skipped = read_ledger(manifest_of(folder)), read_ledger(skipped_of(folder))
    return "\n".join([*_kinds(written), *_reasons(skipped), *_states(written), *_warnings(written)])


def _kinds(written: Sequence[Entry]) -> Iterator[str]:
    yield f"{'split':8} {'label':18} {'clips':>7} {'minutes':>8} {'identities':>10}"
    kinds = defaultdict(list)
    for entry in written:
        kinds[entry["split"], entry["label"]].append(entry)
    for (split, label), entries in sorted(kinds.items()):
        minutes = sum(entry["frames"] for entry in entries) / FRAME_RATE / 60
        identities = len({entry["identity"] or entry["file"] for entry in entries})
        yield f"{split:8} {label:18} {len(entries):7} {minutes:8.1f} {identities:10}"


def _reasons(skipped: Sequence[Entry]) -> Iterator[str]:
    for code, count in Counter(entry["code"] for entry in skipped).most_common():
        yield f"skipped: {count} {code}"


def _states(written: Sequence[Entry]) -> Iterator[str]:
    for state, count in Counter(entry["sync"] for entry in written if "sync" in entry).most_common():
        yield f"checked: {count} {state}"
    if moved := sum(1 for entry in written if entry.get("sound_late")):
        yield f"sound moved: {moved}"


def _warnings(written: Sequence[Entry]) -> Iterator[str]:
    splits = {entry["split"] for entry in written}
    if written and "val" not in splits:
        yield "note: nothing in val; training.sync and training.regressors need some (--split auto)"
    homes = defaultdict(set)
    for entry in written:
        if entry["identity"]:
            homes[entry["identity"]].add(entry["split"])
    if shared := sum(1 for found in homes.values() if len(found) > 1):
        yield f"warning: {shared} identities are in more than one split"
