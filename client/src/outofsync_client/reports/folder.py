"""A results folder, with the names and formats of the systems this detector follows.

::

    output.log                a line per video, as it is done
    detection_summary.csv     video_path, final_score, verdict; in the order of the videos
    testing_score.npy         the scores in the same order; NaN where there is none
    {video}.json              the result, or the error; and as "request" the file's name and the options
    {video}_delays.csv        delay_-15 … delay_15 (logits), timestamp (seconds); a row per window
    {video}_analysis.png      four panels
    {video}_report.html       the whole story on one page, for people; also as .pdf
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np

from outofsync_client._exceptions import OutOfSyncError
from outofsync_client._many import Outcome
from outofsync_client._result import Result
from outofsync_client.protocol import MAX_DELAY
from outofsync_client.reports.document import save_pdf
from outofsync_client.reports.page import save_page
from outofsync_client.reports.picture import save_picture
from outofsync_client.reports.wording import as_cell, describe, printable

LOG = "output.log"
SUMMARY = "detection_summary.csv"
SCORES = "testing_score.npy"
LONGEST_STEM = 200  # bytes of a video's name in those of its reports; file systems allow 255 in all


class ReportFolder:
    """Writes reports on ``videos`` into ``directory``, which it makes where it is missing.

    Add each video's outcome as it comes, in any order. As a context manager it ends with :meth:`finish`.
    ``options`` are what was asked of the server; reports say so.
    """

    def __init__(
        self, directory: Path, videos: Sequence[Path], options: Mapping[str, Any] | None = None
    ) -> None:
        self.directory = directory
        self._options = dict(options or {})
        self._videos = list(videos)
        self._names = distinct_names(self._videos)
        self._outcomes: dict[int, Outcome] = {}
        directory.mkdir(parents=True, exist_ok=True)
        (directory / LOG).write_text("", encoding="utf-8")

    def __enter__(self) -> ReportFolder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.finish()

    def add(self, index: int, outcome: Outcome) -> None:
        """Write what belongs to ``videos[index]`` alone."""
        self._outcomes[index] = outcome
        name = self._names[index]
        if isinstance(outcome, OutOfSyncError):
            write_json(self._path(f"{name}.json"), {"error": outcome.to_dict()})
        else:
            asked = {"file": self._videos[index].name, "options": self._options}
            write_json(self._path(f"{name}.json"), {**outcome.to_dict(), "request": asked})
            if len(outcome.delays):
                write_delays(self._path(f"{name}_delays.csv"), outcome)
            title = self._videos[index].name
            save_picture(self._path(f"{name}_analysis.png"), outcome, title=title)
            save_page(self._path(f"{name}_report.html"), outcome, title=title, options=self._options)
            save_pdf(self._path(f"{name}_report.pdf"), outcome, title=title, options=self._options)
        self._log(self._videos[index], outcome)

    def finish(self) -> None:
        """Write what covers all videos; those without an outcome are left out of the summary."""
        done = sorted(self._outcomes)
        scores = [score_of(self._outcomes[index]) for index in done]
        np.save(self._path(SCORES), np.array([np.nan if score is None else score for score in scores]))
        with _csv_file(self._path(SUMMARY)) as stream:
            rows = csv.writer(stream)
            rows.writerow(["video_path", "final_score", "verdict"])
            for index, score in zip(done, scores):
                video, verdict = as_cell(str(self._videos[index])), verdict_of(self._outcomes[index])
                rows.writerow([video, "" if score is None else score, verdict])

    def _path(self, name: str) -> Path:
        return self.directory / name

    def _log(self, video: Path, outcome: Outcome) -> None:
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        with self._path(LOG).open("a", encoding="utf-8", errors="backslashreplace") as stream:
            stream.write(f"{now} {printable(str(video))}: {describe(outcome)}\n")


def score_of(outcome: Outcome) -> float | None:
    """The published score, where there is one."""
    return None if isinstance(outcome, OutOfSyncError) else outcome.score


def verdict_of(outcome: Outcome) -> str:
    """The verdict, or ``error``."""
    return "error" if isinstance(outcome, OutOfSyncError) else outcome.verdict


def distinct_names(videos: Iterable[Path]) -> list[str]:
    """A report name for each video: its stem, numbered where another video has the same.

    Case does not tell two names apart, because some file systems cannot.
    """
    taken: set[str] = set()
    names = []
    for video in videos:
        stem, number = shortened(video.stem), 1
        name = stem
        while name.casefold() in taken:
            number += 1
            name = f"{stem}-{number}"
        taken.add(name.casefold())
        names.append(name)
    return names


def shortened(stem: str) -> str:
    """The name without its end where no room would be left for what reports add to it."""
    coded = os.fsencode(stem)
    return stem if len(coded) <= LONGEST_STEM else coded[:LONGEST_STEM].decode("utf-8", "ignore")


def write_delays(path: Path, result: Result) -> None:
    """One row per window: the logit of each delay in frames, and when the window starts in seconds."""
    with _csv_file(path) as stream:
        rows = csv.writer(stream)
        rows.writerow([f"delay_{delay}" for delay in range(-MAX_DELAY, MAX_DELAY + 1)] + ["timestamp"])
        for logits, start in zip(result.delays.tolist(), result.window_times.tolist()):
            rows.writerow([*logits, round(start, 3)])


def _csv_file(path: Path) -> IO[str]:
    return path.open("w", newline="", encoding="utf-8", errors="backslashreplace")


def write_json(path: Path, values: dict[str, Any]) -> None:
    """One line per field: readable, and still small where a field holds thousands of rows."""
    lines = (f"{json.dumps(name)}: {json.dumps(value)}" for name, value in values.items())
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
