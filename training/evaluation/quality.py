"""Every table of one run: what is judged once serves several of them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from training.clips import PreparedClip, prepared
from training.evaluation import deblurring, pictures, robustness
from training.evaluation.calibration import (
    FITTED_ON,
    CasesTask,
    Reliability,
    cases_task,
    out_of_fold,
    reliability_of,
    stated_by,
)
from training.evaluation.detection import OffsetRow, Row, detection_table, offset_row
from training.evaluation.judging import GENUINE, Record, Workers
from training.evaluation.material import (
    OFFSET_VIEWS,
    PIECES,
    TRIMMED,
    WHOLE,
    View,
    judge_task,
    kind_of,
    tasks_of,
)
from training.evaluation.published import Video, collection_table, judge_video
from training.evaluation.report import (
    Table,
    abstention_markdown,
    calibration_markdown,
    collection_markdown,
    deblurring_markdown,
    detection_markdown,
    offset_markdown,
    plain,
    robustness_markdown,
)

LABELS = ("real", "fake", "fake_audio")
CORRECTIONS = ("sound_late", "set_late")  # of a clip's ledger line: frames by which its sound comes late
DEBLURRED_FRAMES = 48
QUICK_FRAMES = 4
FILES_AT_ONCE = 8  # of which one process makes the calibration's cases


@dataclass
class Quality:
    """One run and what it has found so far."""

    workers: Workers
    clips: Path
    checkpoints: Path
    output: Path
    resamples: int
    only: frozenset[str]
    quick: bool = False
    tables: list[Table] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    _offsets: dict[str, list[OffsetRow]] = field(default_factory=dict)

    def wanted(self, *names: str) -> bool:
        return any(name in self.only for name in names)

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Say what begins and how long it took, and keep that."""
        print(f"{name} …", flush=True)
        begin = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - begin, 1)
        print(f"{name}: {self.seconds[name]:.0f} s", flush=True)

    def add(self, split: str, name: str, value: Any, table: Table) -> None:
        """Keep a table and its figures; print the table."""
        self.figures.setdefault(split, {})[name] = plain(value)
        self.tables.append(table)
        print("\n" + table.markdown(), flush=True)

    def split(self, name: str) -> None:
        """Tables of prepared clips: offsets, detection, trimmed, calibration, abstentions."""
        clips = self._chosen(prepared(self.clips, split=name, labels=LABELS))
        views = self._views()
        records: list[Record] = []
        if views:
            with self.timed(f"judging {name}"):
                found = self.workers.map(judge_task, tasks_of(clips, views), f"clips of {name}")
            records = [record for of_clip in found for record in of_clip]
        if self.wanted("offsets"):
            self._offset_table(name, clips, records)
        cuts = {view: [record for record in records if record.view == view.name] for view in views}
        rows = {
            view: detection_table(cuts[view], self.resamples)
            for view in (WHOLE, PIECES, TRIMMED)
            if view in cuts
        }
        self._detection_tables(name, rows)
        if self.wanted("calibration"):
            self._calibration_table(name, clips, cuts[WHOLE])
        if self.wanted("abstentions"):
            self.add(name, "abstentions", _abstentions(rows[WHOLE]), abstention_markdown(name, rows[WHOLE]))

    def robustness(self, split: str, videos: Path) -> None:
        """The table of degraded videos, from the source files."""
        chosen = robustness.longest_of_each(videos, split)
        with self.timed(f"robustness, {split}"):
            tasks = robustness.tasks_of(chosen[:3] if self.quick else chosen)
            found = self.workers.map(robustness.judge_degraded, tasks, f"videos of {split}")
            rows = robustness.robustness_table(
                [each for of_video in found for each in of_video], self.resamples
            )
        self.add(split, "robustness", rows, robustness_markdown(split, rows))
        pictures.robustness_bars(rows, f"Degraded videos, {split}", self.output / f"robustness_{split}.png")

    def deblurring(self, split: str) -> None:
        """The table of deblurred frames."""
        clips = self._chosen(prepared(self.clips, split=split))
        with self.timed(f"deblurring, {split}"):
            tasks = deblurring.tasks_of(clips, QUICK_FRAMES if self.quick else DEBLURRED_FRAMES)
            found = self.workers.map(deblurring.deblurring_row, tasks, "kinds of blur")
            rows = [row for row in found if row.frames]
            (touched,) = self.workers.map(deblurring.touched_by_auto, [tuple(clips)], "sharp clips")
        value = {"kinds": rows, "touched_by_auto": touched}
        self.add(split, "deblurring", value, deblurring_markdown(split, rows, touched))

    def collection(self, name: str, videos: Sequence[Video]) -> None:
        """A public collection, file by file."""
        with self.timed(name):
            rows = collection_table(self.workers.map(judge_video, videos, name), self.resamples)
        self.add(name, "detection", rows, collection_markdown(name, rows))

    def finish(self, facts: dict[str, Any]) -> None:
        """Write everything."""
        if self._offsets:
            pictures.offset_by_length(self._offsets, self.output / "offset_by_length.png")
        text = "\n".join(table.markdown() for table in self.tables)
        (self.output / "tables.md").write_text(text)
        everything = {**facts, "seconds": self.seconds, "splits": self.figures}
        (self.output / "quality.json").write_text(json.dumps(everything, indent=1, ensure_ascii=False) + "\n")

    def _views(self) -> list[View]:
        views = list(OFFSET_VIEWS.values()) if self.wanted("offsets") else []
        if self.wanted("detection", "calibration", "abstentions"):
            views.append(WHOLE)
        if self.wanted("detection"):
            views.append(PIECES)
        if self.wanted("trimmed"):
            views.append(TRIMMED)
        return views

    def _chosen(self, clips: list[PreparedClip]) -> list[PreparedClip]:
        """All clips as their files are, or for a smoke test the first two of each kind.

        A clip whose sound training would put in its place is judged where the file has it, as an upload is.
        """
        clips = [
            replace(
                clip, facts={name: value for name, value in clip.facts.items() if name not in CORRECTIONS}
            )
            for clip in clips
        ]
        if not self.quick:
            return clips
        kinds = sorted({kind_of(clip) for clip in clips})
        return [clip for kind in kinds for clip in [each for each in clips if kind_of(each) == kind][:2]]

    def _offset_table(self, split: str, clips: Sequence[PreparedClip], records: Sequence[Record]) -> None:
        genuine = [clip for clip in clips if kind_of(clip) == GENUINE]
        rows = []
        for view in OFFSET_VIEWS.values():
            shorter = sum(int(clip.facts["frames"]) < view.length for clip in genuine)
            mine = [record for record in records if record.view == view.name]
            rows.append(offset_row(view.name, mine, shorter, self.resamples))
        self._offsets[split] = rows
        self.add(split, "offsets", rows, offset_markdown(split, rows))

    def _detection_tables(self, split: str, rows: dict[View, list[Row]]) -> None:
        for view, table in rows.items():
            if self.wanted("trimmed" if view is TRIMMED else "detection"):
                self.add(split, f"detection, {view.name}", table, detection_markdown(split, view.name, table))
        if self.wanted("detection"):
            by_cut = {view.name: table for view, table in rows.items() if view is not TRIMMED}
            pictures.auc_by_shift(
                by_cut, f"Shifted sound, {split}", self.output / f"auc_by_shift_{split}.png"
            )
            for view, name in ((WHOLE, "whole"), (PIECES, "pieces")):
                path = self.output / f"auc_by_kind_{split}_{name}.png"
                pictures.auc_by_kind(rows[view], f"Detection, {split}, {view.name}", path)

    def _calibration_table(self, split: str, clips: Sequence[PreparedClip], whole: Sequence[Record]) -> None:
        found: dict[str, Reliability] = {}
        if split == FITTED_ON:
            with self.timed("calibrations that never saw the identity"):
                cases = self.workers.map(cases_task, self._cases_tasks(clips), "cases")
                stated = out_of_fold([case for of_task in cases for case in of_task])
            found["never saw the identity"] = reliability_of(stated, self.resamples)
        found["as shipped"] = reliability_of(stated_by(whole), self.resamples)
        self.add(split, "calibration", found, calibration_markdown(split, found))
        path = self.output / f"reliability_{split}.png"
        pictures.reliability_diagram(found, f"Reliability, {split}", path)

    def _cases_tasks(self, clips: Sequence[PreparedClip]) -> list[CasesTask]:
        """Genuine clips together, because their sounds are swapped, and few others at a time."""
        genuine = tuple(clip for clip in clips if kind_of(clip) == GENUINE)
        fakes = tuple(clip for clip in clips if clip.facts["label"] == "fake")
        groups = [fakes[first : first + FILES_AT_ONCE] for first in range(0, len(fakes), FILES_AT_ONCE)]
        return [
            CasesTask(genuine, self.checkpoints, True),
            *(CasesTask(group, self.checkpoints, False) for group in groups),
        ]


def _abstentions(rows: Sequence[Row]) -> dict[str, Any]:
    return {row.name: {"inconclusive": row.abstained, "reasons": row.reasons} for row in rows}
