"""Which picture and which sound of a file are judged. For the child only.

One rule: the first programme with a picture and a sound that can be read; in it the tracks that the file
marks as default before others, those for special listeners after all others, and then the file's order.
Callers may name either track instead. Programmes are never mixed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from outofsync.errors import ErrorCode, OutOfSyncError, Stage
from outofsync.media.containers import AUDIO_CODECS, VIDEO_CODECS
from outofsync.media.description import Cropping, Description, describe

STILLS = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
SPECIAL = (
    Disposition.comment
    | Disposition.hearing_impaired
    | Disposition.visual_impaired
    | Disposition.karaoke
    | Disposition.clean_effects
)
MOST_LISTED = 32  # tracks, beside those that are judged; a result is no place for more
LONGEST_TITLE, LONGEST_LANGUAGE = 80, 16  # characters
NAMES = {"video": "picture", "audio": "sound"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Tracks that the caller named, by their number in the file; None for those the rule chooses."""

    video: int | None = None
    audio: int | None = None


@dataclass(frozen=True, slots=True)
class Chosen:
    """The two tracks that are judged, and all of the file's as results list them."""

    video: VideoStream
    audio: AudioStream
    cropping: Cropping
    listed: list[dict[str, Any]]


def choose(container: InputContainer, wanted: Wanted) -> Chosen:
    """Apply the rule; raises ``no_video``, ``no_audio``, ``unsupported_media`` and ``bad_options``."""
    described = describe(container)
    streams = list(container.streams)
    programmes = [
        [stream for stream in streams if stream.index in numbers]
        for numbers in described.programmes.values()
        if len(numbers) > 1
    ]
    best: tuple[Stream, Stream] | None = None
    for group in programmes or [streams]:
        video, audio = _first(group, "video", wanted.video), _first(group, "audio", wanted.audio)
        if video is not None and audio is not None:
            best = video, audio
            break
    if best is None:
        raise _why_not(streams, described, wanted)
    video, audio = best
    assert isinstance(video, VideoStream)
    assert isinstance(audio, AudioStream)
    listed = [_facts(stream, described, stream in best) for stream in streams if stream.type in NAMES]
    cropping = described.croppings.get(video.index, Cropping())
    kept = [facts for number, facts in enumerate(listed) if facts["judged"] or number < MOST_LISTED]
    return Chosen(video, audio, cropping, kept)


def _first(group: Sequence[Stream], kind: str, wanted: int | None) -> Stream | None:
    """The track of a programme that the rule or the caller prefers."""
    readable = [stream for stream in group if stream.type == kind and _is_readable(stream)]
    if wanted is not None:
        return next((stream for stream in readable if stream.index == wanted), None)
    return min((stream for stream in readable if not stream.disposition & STILLS), key=_rank, default=None)


def _rank(stream: Stream) -> tuple[bool, bool, int]:
    marks = stream.disposition
    return not marks & Disposition.default, bool(marks & SPECIAL), stream.index


def _is_readable(stream: Stream) -> bool:
    """Whether its codec is read here and the file says enough to begin."""
    context = stream.codec_context
    if context is None:  # FFmpeg has no decoder for it
        return False
    if isinstance(stream, VideoStream):
        return context.name in VIDEO_CODECS and stream.width > 0 < stream.height
    return isinstance(stream, AudioStream) and context.name in AUDIO_CODECS and stream.rate > 0


def _facts(stream: Stream, described: Description, judged: bool) -> dict[str, Any]:
    marks = stream.disposition
    programme = next((number for number, own in described.programmes.items() if stream.index in own), None)
    return {
        "index": stream.index,
        "kind": stream.type,
        "codec": described.codecs.get(stream.index, "unknown"),
        "language": (stream.language or "")[:LONGEST_LANGUAGE],
        "title": stream.metadata.get("title", "")[:LONGEST_TITLE],
        "programme": programme,
        "default": bool(marks & Disposition.default),
        "still": bool(marks & STILLS),
        "readable": _is_readable(stream),
        "judged": judged,
    }


def _why_not(streams: Sequence[Stream], described: Description, wanted: Wanted) -> OutOfSyncError:
    for kind, number in (("video", wanted.video), ("audio", wanted.audio)):
        numbers = [stream.index for stream in streams if stream.type == kind]
        if number is not None and number not in numbers:
            found = ", ".join(map(str, numbers)) or "none"
            return _failure(
                ErrorCode.BAD_OPTIONS,
                f"{kind}_track is {number}; the file's {NAMES[kind]} tracks are: {found}",
            )
    for kind, code, sentence in (
        ("video", ErrorCode.NO_VIDEO, "The file holds no moving picture."),
        ("audio", ErrorCode.NO_AUDIO, "The file holds no sound."),
    ):
        number = wanted.video if kind == "video" else wanted.audio
        own = [one for one in streams if one.type == kind and number in (None, one.index)]
        moving = [one for one in own if not one.disposition & STILLS or number is not None]
        if not moving:
            return _failure(code, sentence)
        if not any(map(_is_readable, moving)):
            return _unreadable(moving[0], described)
    return _failure(
        ErrorCode.BAD_OPTIONS if wanted != Wanted() else ErrorCode.UNSUPPORTED_MEDIA,
        "No programme of the file holds both that picture and that sound.",
    )


def _unreadable(stream: Stream, described: Description) -> OutOfSyncError:
    codec, what = described.codecs.get(stream.index, "unknown"), NAMES[stream.type]
    return _failure(
        ErrorCode.UNSUPPORTED_MEDIA,
        f"Track {stream.index}, the {what}, is coded with {codec}, which is not read here.",
        f"Convert the {what}: ffmpeg -i INPUT "
        + ("-c:v libx264 -c:a copy" if stream.type == "video" else "-c:v copy -c:a aac")
        + " OUTPUT.mp4",
    )


def _failure(code: ErrorCode, message: str, hint: str | None = None) -> OutOfSyncError:
    return OutOfSyncError(code, message, stage=Stage.PROBE, hint=hint)
