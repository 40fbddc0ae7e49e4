"""Films of people who do not exist."""

# ruff: noqa: RUF001 – letters of the phonetic alphabet look like others

import numpy as np
import pytest
import retinaface

from samples.articulation.mouth_track import MouthTrack, mouth_track
from samples.speech.phoneme import Phoneme
from samples.talking_head import render


@pytest.fixture(scope="module")
def track() -> MouthTrack:
    symbols = ["", "m", "eɪ", "b", "iː", "f", "aɪ", "v", "uː", ""]
    return mouth_track([Phoneme(s, i * 0.1, (i + 1) * 0.1) for i, s in enumerate(symbols)], 25)


def test_same_seed_gives_the_same_film(track: MouthTrack) -> None:
    first, again = (np.stack(list(render(track, 11, size=128))) for _ in range(2))
    assert first.shape == (25, 128, 128, 3)
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, again)


def test_another_seed_gives_another_person(track: MouthTrack) -> None:
    one, other = (next(render(track, seed, size=128)).astype(int) for seed in (1, 2))
    assert np.abs(one - other).mean() > 10


def test_the_film_moves(track: MouthTrack) -> None:
    frames = np.stack(list(render(track, 3, size=128))).astype(int)
    assert (np.abs(np.diff(frames, axis=0)).mean((1, 2, 3)) > 0.3).all()


@pytest.mark.slow
def test_a_detector_sees_one_face_in_nearly_every_frame(track: MouthTrack) -> None:
    found = [
        len(retinaface.detect_faces(frame, score_threshold=0.9)) == 1
        for seed in range(100, 110)
        for index, frame in enumerate(render(track, seed))
        if index % 8 == 4
    ]
    assert np.mean(found) >= 0.95
