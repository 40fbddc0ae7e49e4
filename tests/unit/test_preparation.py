"""From a file to a clip, in both modes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from media_factory import Media, number_of
from several_tracks import Take, several

from outofsync.errors import ErrorCode, OutOfSyncError
from outofsync.faces import RetinaFaceDetector
from outofsync.limits import Limits
from outofsync.options import Options
from outofsync.preparation import prepare, squeeze

SAMPLE = (Path(__file__).parents[2] / "samples" / "synchronised.mp4").read_bytes()


@pytest.fixture(scope="module")
def detector() -> RetinaFaceDetector:
    return RetinaFaceDetector()


def test_the_reference_sees_whole_frames_and_hears_what_the_largest_delay_needs(
    detector: RetinaFaceDetector,
) -> None:
    data = Media(frames=100).to_bytes()
    clip = prepare(data, Options(mode="reference", max_len=20), Limits(), detector)
    (track,) = clip.tracks
    frames = track.frames.read(0, len(track.frames))
    assert frames.shape == (24, 224, 224, 3)
    assert [number_of(frame) for frame in frames] == list(range(24))
    assert clip.audio.size == (24 + 15) * 640
    np.testing.assert_array_equal(track.boxes[0], [0, 0, 160, 120])
    assert clip.digest == hashlib.sha256(data).hexdigest()


def test_the_reference_cuts_the_sound_where_the_picture_ends(detector: RetinaFaceDetector) -> None:
    data = Media(frames=30, seconds=2.4).to_bytes()
    clip = prepare(data, Options(mode="reference"), Limits(), detector)
    assert (len(clip.tracks[0].frames), clip.audio.size) == (30, 30 * 640)


def test_a_whole_video_gives_a_track_for_its_face(detector: RetinaFaceDetector) -> None:
    clip = prepare(SAMPLE, Options(), Limits(), detector)
    (track,) = clip.tracks
    assert (track.start, len(track.frames), clip.reasons) == (0, 175, [])
    assert set(clip.timing_ms) == {"digest", "decode", "track", "detect", "crop", "code"}


@pytest.mark.slow
def test_what_a_file_holds_besides_is_said(detector: RetinaFaceDetector) -> None:
    data = several([Take(0.5), Take(1.0)])
    for options, judged in ((Options(), [0, 1]), (Options(audio_track=2), [0, 2])):
        clip = prepare(data, options, Limits(), detector)
        assert [reason.code for reason in clip.reasons] == ["tracks_left_out", "no_face"]
        assert [track["index"] for track in clip.media["tracks"] if track["judged"]] == judged
    times = [*np.arange(25) / 25, *(2.0 + np.arange(25) / 25)]
    gap = Media(container="matroska", times=times, seconds=3.0).to_bytes()
    assert prepare(gap, Options(), Limits(), detector).reasons[0].code == "gaps"


@pytest.mark.slow
def test_boxes_are_in_the_videos_own_pixels(detector: RetinaFaceDetector) -> None:
    own = prepare(SAMPLE, Options(), Limits(), detector).tracks[0].boxes
    shrunk = prepare(SAMPLE, Options(), Limits(working_side_px=240), detector).tracks[0].boxes
    np.testing.assert_allclose(shrunk, own, atol=12)


def test_a_video_without_a_face_says_so(detector: RetinaFaceDetector) -> None:
    clip = prepare(Media(frames=40).to_bytes(), Options(), Limits(), detector)
    assert (clip.tracks, [reason.code for reason in clip.reasons]) == ([], ["no_face"])


def test_what_is_no_video_is_refused(detector: RetinaFaceDetector) -> None:
    with pytest.raises(OutOfSyncError) as caught:
        prepare(b"text", Options(), Limits(), detector)
    assert caught.value.code is ErrorCode.UNSUPPORTED_MEDIA


def test_squeezing_leaves_frames_of_the_right_size_alone() -> None:
    frames = np.random.default_rng(0).integers(0, 255, (2, 224, 224, 3), np.uint8)
    np.testing.assert_array_equal(squeeze(frames), frames)
    assert squeeze(np.zeros((2, 100, 300, 3), np.uint8)).shape == (2, 224, 224, 3)
