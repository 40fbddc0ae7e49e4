"""Every table of one run: what is judged once serves several of them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from outofsync_cluster.layouts import Listed
from training.clips import PreparedClip, prepared
from training.evaluation import changes, deblurring, errors, false_alarms, pictures, robustness
from training.evaluation.calibration import calibration_table, reliability_of, stated_by
from training.evaluation.detection import Judged
from training.evaluation.figures import Line, figures_table
from training.evaluation.generators import generators_table
from training.evaluation.judging import Workers
from training.evaluation.material import judge_task, kind_of, pages_of, tasks_of
from training.evaluation.offsets import places_table
from training.evaluation.published import collection_report, collection_table, judge_video
from training.evaluation.report import Table

LABELS = ("real", "fake", "fake_audio")
CORRECTIONS = ("sound_late", "set_late")  # of a clip's ledger line: frames by which its sound comes late
DEBLURRED_FRAMES = 48
QUICK = 3  # clips of each kind, or videos of each side, in a smoke test
QUICK_FRAMES = 4


@dataclass
class Quality:
    """One run and what it has found so far."""

    workers: Workers
    clips: Path
    videos: Path  # the CSV that lists the clips' videos
    output: Path
    resamples: int
    only: frozenset[str]
    promise: dict[str, list[float]] = field(default_factory=dict)  # of the scoring checkpoint
    quick: bool = False
    tables: list[Table] = field(default_factory=list)
    found: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Say what begins and how long it took, and keep that."""
        print(f"{name} …", flush=True)
        begin = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - begin, 1)
        print(f"{name}: {self.seconds[name]:.0f} s", flush=True)

    def add(self, split: str, table: Table) -> None:
        """Keep a table and its figures; print the table."""
        self.found.setdefault(split, {})[table.name] = table.figures()
        self.tables.append(table)
        print("\n" + table.markdown(), flush=True)

    def split(self, name: str) -> None:
        """Every table of one split that is wanted; the one that sums up comes last."""
        lines = list[Line]()
        if "robustness" in self.only:
            rows = self._robustness(name, "everyday", robustness.EVERYDAY_SETTINGS)
            what, loss = changes.worst_change(rows)
            lines.append(Line(f"most AUC lost on the way: {what}", loss, "within 0.03", "within 0.01"))
        if "blur" in self.only:
            self._robustness(name, "blur", robustness.BLUR_SETTINGS)
        if "deblurring" in self.only:
            self._deblurring(name)
        if "figures" in self.only:
            self._figures(name, lines)

    def collection(self, name: str, videos: Sequence[Listed]) -> None:
        """A public collection, file by file."""
        with self.timed(name):
            rows = collection_table(self.workers.map(judge_video, videos, name), self.resamples)
        self.add(name, collection_report(name, rows))

    def finish(self, facts: dict[str, Any]) -> None:
        """Write everything."""
        (self.output / "tables.md").write_text("\n".join(table.markdown() for table in self.tables))
        everything = {**facts, "seconds": self.seconds, "splits": self.found}
        (self.output / "quality.json").write_text(json.dumps(everything, indent=1, ensure_ascii=False) + "\n")

    def _figures(self, split: str, lines: Sequence[Line]) -> None:
        """Tables of prepared clips."""
        clips = self._chosen(prepared(self.clips, split=split, labels=LABELS))
        with self.timed(f"judging {split}"):
            tasks = tasks_of(clips, pages_of(self.videos))
            judged_clips = self.workers.map(judge_task, tasks, f"clips of {split}")
        judged = Judged([record for of_clip in judged_clips for record in of_clip], self.resamples)
        reliability = reliability_of(stated_by(judged), self.resamples)
        generators = generators_table(split, judged)
        pictures.auc_by_generator(generators.rows, f"Generators, {split}", self._picture("generators", split))
        path = self._picture("reliability", split)
        pictures.reliability_diagram(reliability, f"Reliability, {split}", path)
        for table in (
            false_alarms.verdicts_table(split, judged),
            false_alarms.sources_table(split, judged),
            false_alarms.bands_table(split, judged),
            places_table(split, judged),
            generators,
            self._worst_errors(split, judged, clips),
            calibration_table(split, reliability),
            false_alarms.promise_table(split, judged, self.promise, reliability.error),
        ):
            self.add(split, table)
        error = Line("calibration error, 15 bins", reliability.error, "0.08", "0.04")
        self.add(split, figures_table(split, judged, error, *lines))

    def _worst_errors(self, split: str, judged: Judged, clips: Sequence[PreparedClip]) -> Table:
        """The table of the worst errors; a page shows them."""
        by_file = {str(clip.facts["file"]): clip for clip in clips}
        worst = errors.worst(judged)
        if worst:
            tasks = [(by_file[record.subject.file], record) for record in worst]
            portraits = self.workers.map(errors.portrait, tasks, "worst errors")
            pictures.errors_page(portraits, f"Worst errors, {split}", self._picture("errors", split))
        return errors.errors_table(split, worst)

    def _picture(self, name: str, split: str) -> Path:
        return self.output / f"{name}_{split}.png"

    def _robustness(
        self, split: str, name: str, settings: tuple[robustness.Setting, ...]
    ) -> list[changes.Change]:
        """The table of degraded videos, from the source files."""
        if not self.videos.exists():
            print(f"{name} left out: it needs the videos that {self.videos} would list", flush=True)
            return []
        with self.timed(f"robustness ({name}), {split}"):
            tasks = robustness.tasks_of(self.videos, split, settings, QUICK if self.quick else None)
            tried = self.workers.map(robustness.judge_degraded, tasks, f"videos of {split}")
            rows = changes.changes(tried, self.resamples)
        self.add(split, changes.robustness_table(split, name, rows))
        return rows

    def _deblurring(self, split: str) -> None:
        """The table of deblurred frames."""
        clips = self._chosen(prepared(self.clips, split=split))
        with self.timed(f"deblurring, {split}"):
            tasks = deblurring.tasks_of(clips, QUICK_FRAMES if self.quick else DEBLURRED_FRAMES)
            rows = self.workers.map(deblurring.deblurring_row, tasks, "kinds of blur")
            (touched,) = self.workers.map(deblurring.touched_by_auto, [tuple(clips)], "sharp clips")
        kept = [row for row in rows if row.frames]
        self.add(split, deblurring.deblurring_table(split, kept, touched))

    def _chosen(self, clips: list[PreparedClip]) -> list[PreparedClip]:
        """All clips as their files are, or for a smoke test the first few of each kind.

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
        return [clip for kind in kinds for clip in [each for each in clips if kind_of(each) == kind][:QUICK]]
