"""Which picture and which sound of several are judged."""

from __future__ import annotations

import numpy as np
import pytest
from media_factory import Media, click, click_time
from several_programmes import several_programmes
from several_tracks import Take, several

from outofsync.errors import ErrorCode, OutOfSyncError
from outofsync.limits import Limits
from outofsync.media import Decoder, MediaInfo

pytestmark = pytest.mark.slow  # every case codes and decodes a video


def heard(data: bytes, audio_track: int | None = None) -> tuple[float, MediaInfo]:
    """When the click of the judged sound is heard (s): each track has its own."""
    with Decoder(data, Limits(), audio_track=audio_track) as decoder:
        for _ in decoder.frames():
            pass
        return click_time(decoder.audio), decoder.info


def judged(info: MediaInfo) -> list[int]:
    return [track["index"] for track in info.tracks if track["judged"]]


def test_the_default_sound_is_judged_then_the_first() -> None:
    first, info = heard(several([Take(0.5), Take(1.0, bits=128_000)]))
    assert first == pytest.approx(0.5, abs=0.01)
    assert judged(info) == [0, 1]
    assert [track["kind"] for track in info.tracks] == ["video", "audio", "audio"]
    second, info = heard(several([Take(0.5, default=False), Take(1.0)]))
    assert second == pytest.approx(1.0, abs=0.01)
    assert judged(info) == [0, 2]


def test_a_track_for_special_listeners_comes_last() -> None:
    at, _ = heard(several([Take(0.5, default=False, special=True), Take(1.0, default=False)]))
    assert at == pytest.approx(1.0, abs=0.01)


def test_a_caller_may_choose() -> None:
    data = several([Take(0.5), Take(1.0)])
    at, info = heard(data, audio_track=2)
    assert at == pytest.approx(1.0, abs=0.01)
    assert judged(info) == [0, 2]


@pytest.mark.parametrize("number", [0, 7])
def test_a_track_that_is_no_sound_is_a_bad_option_that_says_which_are(number: int) -> None:
    with pytest.raises(OutOfSyncError, match="sound tracks are: 1, 2") as caught:
        heard(several([Take(0.5), Take(1.0)]), audio_track=number)
    assert caught.value.code is ErrorCode.BAD_OPTIONS


def test_a_sound_that_cannot_be_read_is_passed_over_and_named() -> None:
    data = several([Take(0.5), Take(1.0)])
    spoilt = data.replace(b"A_AAC", b"A_XXX", 1)
    at, info = heard(spoilt)
    assert at == pytest.approx(1.0, abs=0.01)
    assert [track["readable"] for track in info.tracks] == [True, False, True]
    with pytest.raises(OutOfSyncError, match="Track 1, the sound") as caught:
        heard(spoilt, audio_track=1)
    assert caught.value.code is ErrorCode.UNSUPPORTED_MEDIA


def test_a_cover_picture_is_no_track_to_judge() -> None:
    _, info = heard(several([Take(0.5)], cover=True))
    assert [track["still"] for track in info.tracks] == [False, False, True]
    assert judged(info) == [0, 1]


def test_a_subtitle_that_stays_is_no_length() -> None:
    at, info = heard(several([Take(0.5)], subtitle_s=5_400))
    assert at == pytest.approx(0.5, abs=0.01)
    assert info.duration_s == pytest.approx(2.0, abs=0.15)
    assert np.isfinite(at)


def programme(at: float, **how: object) -> Media:
    """One with a click at ``at`` seconds."""
    return Media(container="mpegts", sound=click(at), sample_rate=48_000, **how)  # type: ignore[arg-type]


def test_programmes_are_never_mixed() -> None:
    """The first that has both is judged, its own picture with its own sound, and the others are named."""
    data = several_programmes([programme(0.5), programme(1.0, width=320)])
    at, info = heard(data)
    assert info.width == 160
    assert at == pytest.approx(0.5, abs=0.03)
    assert [track["programme"] for track in info.tracks if track["judged"]] == [1, 1]
    assert sorted(track["programme"] for track in info.tracks) == [1, 1, 2, 2]


def test_a_track_of_another_programme_brings_its_own_companion() -> None:
    data = several_programmes([programme(0.5), programme(1.0, width=320)])
    _, info = heard(data)
    (sound,) = [one["index"] for one in info.tracks if (one["kind"], one["programme"]) == ("audio", 2)]
    at, info = heard(data, audio_track=sound)
    assert info.width == 320
    assert at == pytest.approx(1.0, abs=0.03)
    assert {track["programme"] for track in info.tracks if track["judged"]} == {2}


def test_a_programme_without_a_picture_is_passed_over() -> None:
    """Radio comes in the same stream; no picture of another programme is put to it."""
    data = several_programmes([programme(0.5, video=None), programme(1.0, width=320)])
    at, info = heard(data)
    assert info.width == 320
    assert at == pytest.approx(1.0, abs=0.03)
    assert {track["programme"] for track in info.tracks if track["judged"]} == {2}


def test_a_picture_and_a_sound_of_two_programmes_are_no_choice() -> None:
    data = several_programmes([programme(0.5), programme(1.0, width=320)])
    _, info = heard(data)
    (picture,) = [one["index"] for one in info.tracks if (one["kind"], one["programme"]) == ("video", 1)]
    (sound,) = [one["index"] for one in info.tracks if (one["kind"], one["programme"]) == ("audio", 2)]
    with pytest.raises(OutOfSyncError, match="No programme") as caught:
        Decoder(data, Limits(), video_track=picture, audio_track=sound)
    assert caught.value.code is ErrorCode.BAD_OPTIONS
