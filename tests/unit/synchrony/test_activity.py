"""A mouth moves or is still whatever camera, light and codec do. The face here is painted by the tests."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from outofsync.constants import FACE_SIZE, FRAME_RATE, MOUTH_CENTRE
from outofsync.faces import FaceTracker, RetinaFaceDetector
from outofsync.frames import JpegFrames, RawFrames
from outofsync.limits import Limits
from outofsync.media import Decoder
from outofsync.media.encode import encode_video
from outofsync.options import Options
from outofsync.preparation import prepare
from outofsync.scoring.abstention import Abstention
from outofsync.synchrony.activity import mouth_motion
from samples.articulation.mouth_track import MouthTrack
from samples.talking_head import render

STILL_BELOW = Abstention().still_below
LENGTH = 50  # frames
SAMPLE = Path(__file__).resolve().parents[3] / "samples" / "synchronised.mp4"

Picture = NDArray[np.uint8]
Camera = Callable[[int], tuple[float, float, float, float]]  # frame → px right, px down, scale, degrees


@cache
def skin() -> NDArray[np.float64]:
    texture = np.random.default_rng(1).normal(0, 200, (2 * FACE_SIZE, 2 * FACE_SIZE))
    return 150 + cv2.GaussianBlur(texture, (0, 0), 4).astype(np.float64)


@cache
def face(opening: int = 0, *, lids: bool = False) -> Picture:
    """A textured face in the middle of a picture twice a crop's size; ``opening`` of the mouth in px.

    With ``lids``, the eyes are closed.
    """
    picture = skin().copy()
    corner = FACE_SIZE // 2
    eyes = 130 if lids else 40
    for x, y, size, shade in ((75, 80, (14, 7), eyes), (149, 80, (14, 7), eyes), (112, 112, (8, 12), 110)):
        cv2.ellipse(picture, (corner + x, corner + y), size, 0, 0, 360, shade, -1, cv2.LINE_AA)
    x, y = MOUTH_CENTRE
    cv2.ellipse(picture, (corner + x, corner + y), (30, 9), 0, 0, 360, 90, -1, cv2.LINE_AA)
    if opening:
        cv2.ellipse(picture, (corner + x, corner + y), (24, opening), 0, 0, 360, 20, -1, cv2.LINE_AA)
    return np.repeat(picture.clip(0, 255).astype(np.uint8)[..., None], 3, 2)


def crop(picture: Picture, right: float, down: float, scale: float, degrees: float) -> Picture:
    """What a camera sees of the middle."""
    matrix = cv2.getRotationMatrix2D((FACE_SIZE, FACE_SIZE), degrees, scale)
    matrix = matrix + np.array([[0, 0, right - FACE_SIZE / 2], [0, 0, down - FACE_SIZE / 2]])
    return cv2.warpAffine(picture, matrix, (FACE_SIZE, FACE_SIZE)).astype(np.uint8, copy=False)


def shaken(frame: int) -> tuple[float, float, float, float]:
    """A hand that cannot keep still, with a frequency for each of its movements."""
    return 5 * math.sin(frame / 2.1), 4 * math.sin(frame / 1.3), 1 + 0.02 * math.sin(frame / 3), frame % 3 / 2


CAMERAS: dict[str, Camera] = {
    "fixed": lambda _: (0, 0, 1, 0),
    "pan": lambda frame: (0.7 * frame - 17, 0.3 * frame - 8, 1, 0),
    "pan by whole pixels": lambda frame: (frame - 25, 0, 1, 0),
    "zoom": lambda frame: (0, 0, 0.8 + 0.008 * frame, 0),
    "rotation": lambda frame: (0, 0, 1, 0.4 * frame - 10),
    "shake": shaken,
}


def noisy(frames: list[Picture], spread: float) -> list[Picture]:
    """Film grain: as coarse as a codec leaves it."""
    random = np.random.default_rng(2)
    grains = (cv2.GaussianBlur(random.normal(0, 3 * spread, one.shape), (0, 0), 0.9) for one in frames)
    return [(one + grain).clip(0, 255).astype(np.uint8) for one, grain in zip(frames, grains, strict=True)]


def lit(frames: list[Picture], light: Callable[[int], float]) -> list[Picture]:
    return [(one * light(number)).clip(0, 255).astype(np.uint8) for number, one in enumerate(frames)]


def filmed(camera: Camera, opening: Callable[[int], float] = lambda _: 0.0) -> list[Picture]:
    return [crop(face(round(opening(number))), *camera(number)) for number in range(LENGTH)]


def speech(frame: int, syllables: float = 3.0) -> float:
    """An opening of 0 to 10 px; syllables a second."""
    return 5 - 5 * math.cos(frame * 2 * math.pi * syllables / FRAME_RATE)


def motion(frames: list[Picture]) -> float:
    return mouth_motion(RawFrames(np.stack(frames)))


@pytest.mark.parametrize("camera", CAMERAS.values(), ids=CAMERAS)
def test_a_photograph_is_still_under_any_camera(camera: Camera) -> None:
    photograph = filmed(camera)
    assert motion(photograph) < STILL_BELOW / 2
    assert motion(noisy(photograph, 4)) < STILL_BELOW / 2


@pytest.mark.parametrize("camera", CAMERAS.values(), ids=CAMERAS)
def test_a_mouth_moves_under_any_camera(camera: Camera) -> None:
    speaker = filmed(camera, speech)
    assert motion(speaker) > 1.5 * STILL_BELOW
    assert motion(noisy(speaker, 4)) > 1.5 * STILL_BELOW


@pytest.mark.parametrize("frames_a_syllable", [4, 5, 6, 7, 8, 12])
def test_regular_syllables_are_no_rest(frames_a_syllable: int) -> None:
    speaker = filmed(CAMERAS["fixed"], lambda frame: speech(frame, FRAME_RATE / frames_a_syllable))
    assert motion(speaker) > 1.5 * STILL_BELOW


@pytest.mark.parametrize(
    "light",
    [
        lambda frame: frame / LENGTH,
        lambda frame: 1 - frame / LENGTH,
        lambda frame: 2.0 if frame % 17 < 2 else 1.0,
        lambda frame: 1 + 0.07 * math.sin(frame),
    ],
    ids=["fade in", "fade out", "flashes", "flicker"],
)
def test_light_moves_no_mouth(light: Callable[[int], float]) -> None:
    assert motion(lit(filmed(CAMERAS["pan"]), light)) < STILL_BELOW


def test_a_mouth_moves_in_the_dark_too() -> None:
    bright = filmed(CAMERAS["fixed"], speech)
    assert motion(lit(bright, lambda _: 0.3)) == pytest.approx(motion(bright), rel=0.3)


def test_who_says_one_word_speaks() -> None:
    """Six frames of fifty: what a syllable takes."""
    assert motion(filmed(CAMERAS["pan"], lambda frame: 8.0 if 20 <= frame < 26 else 0.0)) > STILL_BELOW


def test_a_blink_is_no_speech() -> None:
    pan = CAMERAS["pan"]
    frames = [crop(face(lids=20 <= number < 25), *pan(number)) for number in range(LENGTH)]
    assert motion(frames) < STILL_BELOW / 2


@pytest.mark.slow
def test_a_listener_is_nearly_still() -> None:
    """One of the samples' people, who nods, blinks and looks about, with the mouth shut, then talking."""
    voice = 0.5 + 0.5 * np.sin(np.arange(60) * 0.3)
    shut = np.zeros_like(voice)
    motions = []
    for opening in (shut, 0.6 * voice):
        tracker = FaceTracker(RetinaFaceDetector())
        for frame in render(MouthTrack(opening, opening, shut, shut, shut, shut, voice), seed=3):
            tracker.push(frame[None])
        (track,) = tracker.finish()
        motions.append(mouth_motion(track.frames))
    assert motions[0] < STILL_BELOW / 2
    assert motions[1] > 2 * STILL_BELOW


def test_short_tracks_are_looked_at_as_they_are() -> None:
    still, speaker = filmed(CAMERAS["fixed"]), filmed(CAMERAS["fixed"], speech)
    assert motion(still[:1]) == 0.0
    assert motion(still[:2]) == pytest.approx(0, abs=0.01)
    assert motion(speaker[:5]) > STILL_BELOW


def test_a_picture_of_nothing_is_still() -> None:
    black = np.zeros((LENGTH, FACE_SIZE, FACE_SIZE, 3), np.uint8)
    assert mouth_motion(RawFrames(black)) == 0.0


def test_frames_are_left_as_they_were() -> None:
    frames = np.stack(filmed(CAMERAS["shake"], speech))
    before = frames.copy()
    first = mouth_motion(RawFrames(frames))
    assert first == mouth_motion(RawFrames(frames))
    assert np.array_equal(before, frames)


@pytest.mark.slow
def test_uploads_of_a_speaker_and_of_a_photograph_of_him() -> None:
    """The whole way: decoded, found, followed, cropped; the photograph is one frame under a slow pan."""
    sample, limits, detector = SAMPLE.read_bytes(), Limits(), RetinaFaceDetector()

    def panned() -> Iterator[NDArray[np.uint8]]:
        with Decoder(sample, limits, max_frames=1) as decoder:
            picture = next(iter(decoder.frames()))[0]
        side = picture.shape[0] * 4 // 5 // 2 * 2
        large = cv2.resize(picture, None, fx=1.2, fy=1.2, interpolation=cv2.INTER_CUBIC)
        for number in range(60):
            matrix = np.array([[1, 0, -20 - 0.8 * number], [0, 1, -40 - 0.4 * number]])
            yield cv2.warpAffine(large, matrix, (side, side)).astype(np.uint8, copy=False)[None]

    motions = []
    for video in (sample, encode_video(sample, panned())):
        (track,) = prepare(video, Options(deblur="never"), limits, detector).tracks
        assert isinstance(track.frames, JpegFrames)
        motions.append(mouth_motion(track.frames))
    assert motions[0] > 2 * STILL_BELOW
    assert motions[1] < STILL_BELOW / 2
