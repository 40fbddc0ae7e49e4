"""One row a video in the folder of a run, wherever the run that wrote it was killed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from outofsync_cluster.errors import ClusterError
from outofsync_cluster.identity import Identity
from outofsync_cluster.places import Place, Storage
from outofsync_cluster.rows import SourceRow
from outofsync_cluster.stages import Outcome
from outofsync_cluster.store import FOLDERS, Store
from outofsync_cluster.watching import Tally

MODELS = {"deblur": {"version": "1.0"}, "ensemble": {"version": "1.0"}}
IDENTITY = Identity({"deblur": "auto"}, MODELS)


class KilledError(BaseException):
    """Stands for the end of the process."""


def outcome(name: str, content: str = "", code: str = "") -> Outcome:
    """A video of this content, judged, or failed with a code."""
    words = {"code": code, "stage": "decode", "message": "no", "hint": "none"}
    segment = {"start": 0.0, "end": 2.0, "track": 0, "score": 1.0, "probability_fake": 0.1, "peak_delay": 0}
    result = {
        **{"verdict": "real", "label": "REAL", "probability_fake": 0.1, "score": 1.0, "delay_score": 1.0},
        **{"feature_score": 0.0, "offset_frames": 0, "offset_confidence": 0.9, "reasons": []},
        **{"segments": [segment], "media": {}, "models": MODELS},
    }
    answer = json.dumps({"error": words} if code else result).encode()
    sha256 = hashlib.sha256((content or name).encode()).hexdigest()
    return Outcome(name, 10, 1, sha256, answer, 1, 0.5, 0.0, 0.5, 1, 10, "here")


def opened(folder: Path, identity: Identity = IDENTITY, **choices: Any) -> Store:
    return Store(Storage().place(str(folder)), identity, **choices)


def uris(store: Store, table: str) -> list[str]:
    return sorted(row["uri"] for row in store.rows(table))


def test_what_is_written_is_known_and_the_rest_is_not(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.add(outcome("a"))
    store.write()
    store.add(outcome("b"))
    again = opened(tmp_path)
    assert again.knows("a", 10, 1)
    assert not again.knows("b", 10, 1), "it was never written"
    assert not again.knows("a", 10, 2), "the file was changed"
    assert uris(again, "videos") == uris(again, "segments") == ["a"]


@pytest.mark.parametrize("files", range(6))
def test_a_kill_between_the_files_of_a_part_leaves_nothing_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: int
) -> None:
    """Killed after so many of its five files; the next run judges again what was in an unfinished part."""
    store = opened(tmp_path)
    store.add(outcome("before"))
    store.write()
    store.add(outcome("a"))
    store.add(outcome("bad", code="corrupt_media"))
    write, written = Place.write, list[Place]()

    def killed(place: Place, data: bytes) -> None:
        if len(written) == files:
            raise KilledError
        write(place, data)
        written.append(place)

    with monkeypatch.context() as patched:
        patched.setattr(Place, "write", killed)
        if files < len(FOLDERS):
            with pytest.raises(KilledError):
                store.write()
        else:
            store.write()
    again = opened(tmp_path)
    for one in (outcome("before"), outcome("a"), outcome("bad", code="corrupt_media")):
        again.add(one)
    again.write()
    assert uris(again, "videos") == uris(again, "segments") == ["a", "before"]
    assert uris(again, "errors") == ["bad"]
    assert uris(again, "sources") == ["a", "bad", "before"]
    lines = [line for path in (tmp_path / "results").iterdir() for line in path.read_text().splitlines()]
    assert sorted(json.loads(line)["uri"] for line in lines) == ["a", "before"]


def test_a_content_in_two_places_is_one_video(tmp_path: Path) -> None:
    store = opened(tmp_path)
    assert len(store.add(outcome("a", "same"))) == 1
    (again,) = store.add(outcome("b", "same"))
    assert isinstance(again, SourceRow)
    assert again.duplicate
    store.write()
    assert uris(store, "videos") == ["a"]
    assert [row["duplicate"] for row in store.rows("sources")] == [False, True]


def test_each_place_counts_once_however_often_it_is_tried(tmp_path: Path) -> None:
    """A round may lose the block that judges what others wait for; then all are tried again."""
    store, tally = opened(tmp_path), Tally()
    waiting = replace(outcome("b", "same"), answer=None)
    for one in (waiting, outcome("c"), waiting, outcome("a", "same"), waiting):
        for row in store.add(one):
            tally.add(row)
        if one.uri == "c":
            store.forget_waiting()
    summary = tally.summary()
    assert (summary["videos"], summary["duplicates"], store.places) == (2, 1, 3)


@pytest.mark.parametrize(
    ("code", "again"), [("corrupt_media", False), ("worker_died", True), ("internal", True), ("busy", True)]
)
def test_only_what_the_video_itself_is_to_blame_for_is_final(tmp_path: Path, code: str, again: bool) -> None:
    """A bad day of the cluster must not mark good videos for ever."""
    store = opened(tmp_path)
    store.add(outcome("a", code=code))
    store.write()
    following = opened(tmp_path)
    assert following.knows("a", 10, 1) is not again
    following.add(outcome("a"))
    following.write()
    assert uris(following, "videos") == (["a"] if again else [])
    assert uris(following, "errors") == ([] if again else ["a"])
    assert opened(tmp_path, retry_failed=True).knows("a", 10, 1) is again


def test_other_options_need_a_folder_of_their_own(tmp_path: Path) -> None:
    opened(tmp_path)
    with pytest.raises(ClusterError, match="holds results of other options"):
        opened(tmp_path, Identity({"deblur": "never"}, MODELS))
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(ClusterError, match="damaged"):
        opened(tmp_path)


def test_what_is_done_is_told_once(tmp_path: Path) -> None:
    """A run tells its cluster after every leg; all of it each time would be told a hundred million times."""
    store = opened(tmp_path)
    store.add(outcome("a"))
    store.add(outcome("b", code="no_audio"))
    assert len(store.news()) == 2
    store.add(outcome("again", "a"))
    assert store.news() == []
    store.write()
    assert len(opened(tmp_path).news()) == 2
