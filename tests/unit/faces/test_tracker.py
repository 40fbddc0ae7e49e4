"""Tracks follow faces, survive short gaps, end at cuts, and stay within their limits."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from outofsync.clip import Track
from outofsync.faces import Detection, FaceSettings, FaceTracker
from outofsync.faces.detector import Region
from outofsync.faces.path import FacePath

SIZE = (240, 320)  # height, width
Places = Callable[[int], list[tuple[float, float, float]]]  # frame → (x, y, distance of eyes and mouth)


def face_at(x: float, y: float, reach: float) -> Detection:
    """An upright face whose eyes and mouth are ``reach`` px apart around (x, y)."""
    half = reach / 2
    eyes = [(x - half, y - half), (x + half, y - half)]
    mouth = [(x - half / 2, y + half), (x + half / 2, y + half)]
    landmarks = np.array([*eyes, (x, y), *mouth], np.float32)
    box = np.array([x - reach, y - reach, x + reach, y + reach], np.float32)
    return Detection(0.99, box, landmarks)


class ScriptedDetector:
    """Finds faces where the script says; a frame carries its number in its first pixel."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self.looked_at: list[int] = []
        self.searches: list[int] = []  # frames that were looked at whole

    def detect(self, frame: NDArray[np.uint8], region: Region | None = None) -> list[Detection]:
        number = int(frame[0, 0, 0]) + 256 * int(frame[0, 0, 1])
        self.looked_at.append(number)
        self.searches += [number] if region is None else []
        x0, y0, x1, y1 = region or (0, 0, SIZE[1], SIZE[0])
        return [face_at(x, y, reach) for x, y, reach in self._places(number) if x0 <= x < x1 and y0 <= y < y1]


def film(count: int, *, cut_at: int | None = None) -> NDArray[np.uint8]:
    frames = np.full((count, *SIZE, 3), 90, np.uint8)
    if cut_at is not None:
        frames[cut_at:] = 220
    for number, frame in enumerate(frames):
        frame[0, 0] = (number % 256, number // 256, 0)
    return frames


def track(places: Places, frames: NDArray[np.uint8], **settings: int) -> list[Track]:
    tracker = FaceTracker(ScriptedDetector(places), FaceSettings(**settings))
    for start in range(0, len(frames), 25):
        tracker.push(frames[start : start + 25])
    return tracker.finish()


def test_a_steady_face_gives_one_track_of_every_frame() -> None:
    (found,) = track(lambda _: [(160, 120, 40)], film(63))
    assert (found.start, len(found.frames)) == (0, 63)
    side = FaceSettings().crop_scale * 40
    np.testing.assert_allclose(
        found.boxes[0], [160 - side / 2, 120 - side / 2, 160 + side / 2, 120 + side / 2]
    )


def test_nobody_is_followed_across_frames_that_the_video_lacks() -> None:
    frames = film(60)
    tracker = FaceTracker(ScriptedDetector(lambda _: [(160, 120, 40)]))
    tracker.push(frames[:25])
    tracker.skip(13)
    tracker.push(frames[38:])
    assert [(found.start, len(found.frames)) for found in tracker.finish()] == [(0, 25), (38, 22)]


def test_detection_runs_on_few_frames() -> None:
    detector = ScriptedDetector(lambda _: [(160, 120, 40)])
    tracker = FaceTracker(detector)
    tracker.push(film(50))
    tracker.finish()
    assert detector.looked_at == list(range(0, 50, 5))


def test_a_moving_face_stays_in_the_middle_of_its_crop() -> None:
    (found,) = track(lambda number: [(80 + number, 120, 30)], film(100))
    centres = (found.boxes[:, 0] + found.boxes[:, 2]) / 2
    np.testing.assert_allclose(centres[15:85], 80 + np.arange(15, 85), atol=0.5)


def test_a_jittering_face_gives_a_steady_crop() -> None:
    random = np.random.default_rng(3)
    jitter = random.normal(0, 3, 200)
    (found,) = track(lambda number: [(160 + jitter[number], 120, 40)], film(100))
    centres = (found.boxes[:, 0] + found.boxes[:, 2]) / 2
    assert np.abs(np.diff(centres)).max() < 1.0


def test_two_faces_give_two_tracks() -> None:
    found = track(lambda _: [(80, 120, 30), (240, 120, 30)], film(40))
    assert [len(each.frames) for each in found] == [40, 40]
    assert {round(float(each.boxes[0, [0, 2]].mean())) for each in found} == {80, 240}


def test_a_face_missed_once_is_followed_on() -> None:
    (found,) = track(lambda number: [] if 20 <= number < 26 else [(160, 120, 40)], film(60))
    assert len(found.frames) == 60


def test_a_face_that_leaves_ends_its_track_and_a_new_one_begins_later() -> None:
    first, second = track(lambda number: [] if 30 <= number < 60 else [(160, 120, 40)], film(90))
    assert (first.start, first.stop) == (0, 26)  # seen last at frame 25
    assert (second.start, second.stop) == (60, 90)


def test_a_cut_separates_two_people_at_one_place() -> None:
    first, second = track(lambda _: [(160, 120, 40)], film(80, cut_at=33))
    assert (first.start, first.stop) == (0, 33)
    assert (second.start, second.stop) == (33, 80)


def test_a_passing_face_is_too_short_to_be_a_track() -> None:
    assert track(lambda number: [(160, 120, 40)] if number == 0 else [], film(40)) == []


def test_tiny_faces_are_left_alone() -> None:
    assert track(lambda _: [(160, 120, 4)], film(40)) == []


def test_more_faces_than_allowed_keep_the_largest() -> None:
    places = [(60.0, 120.0, 20.0), (160.0, 120.0, 40.0), (260.0, 120.0, 30.0)]
    tracker = FaceTracker(ScriptedDetector(lambda _: places), most_tracks=2)
    tracker.push(film(40))
    found = tracker.finish()
    assert {round(float(each.boxes[0, [0, 2]].mean())) for each in found} == {160, 260}


def test_crops_beyond_the_bound_are_counted() -> None:
    tracker = FaceTracker(ScriptedDetector(lambda _: [(160, 120, 40)]), FaceSettings(most_track_frames=30))
    tracker.push(film(50))
    (found,) = tracker.finish()
    assert (len(found.frames), tracker.dropped_frames) == (30, 20)


def test_no_frames_give_no_tracks() -> None:
    assert FaceTracker(ScriptedDetector(lambda _: [])).finish() == []


def test_a_followed_face_is_looked_for_where_it_was() -> None:
    detector = ScriptedDetector(lambda number: [(100 + number / 5, 120, 20)])
    tracker = FaceTracker(detector)
    tracker.push(film(70))
    (found,) = tracker.finish()
    assert len(found.frames) == 70
    assert detector.looked_at == list(range(0, 70, 5))
    assert detector.searches == [0, 25, 50]


def test_a_face_that_jumps_is_searched_for_at_once() -> None:
    detector = ScriptedDetector(lambda number: [(60 if number < 40 else 250, 120, 20)])
    tracker = FaceTracker(detector)
    tracker.push(film(80))
    first, second = tracker.finish()
    assert (first.stop, second.start) == (36, 40)
    assert {0, 25, 40} <= set(detector.searches)


def test_a_newcomer_is_found_within_a_second() -> None:
    here, there = (60.0, 120.0, 20.0), (260.0, 120.0, 20.0)
    found = track(lambda number: [here, there] if number >= 27 else [here], film(100))
    assert [each.start for each in found] == [0, 50]


def test_a_face_that_fills_the_picture_is_searched_for_everywhere() -> None:
    detector = ScriptedDetector(lambda _: [(160, 120, 90)])
    tracker = FaceTracker(detector)
    tracker.push(film(30))
    tracker.finish()
    assert detector.searches == detector.looked_at


def test_the_work_grows_with_the_length_and_not_with_the_number_of_cuts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A cut at each frame ends a path at each frame; none of them may be looked at for ever after."""

    class CountedPath(FacePath):
        looks = 0
        _last = 0

        @property
        def last(self) -> int:
            CountedPath.looks += 1
            return self._last

        @last.setter
        def last(self, frame: int) -> None:
            self._last = frame

    monkeypatch.setattr("outofsync.faces.tracker.FacePath", CountedPath)

    def looks(count: int) -> int:
        frames = film(count)
        frames[::2, 1:] = 220
        CountedPath.looks = 0
        track(lambda _: [(160, 120, 40)], frames)
        return CountedPath.looks

    assert looks(400) < 3 * looks(200)
