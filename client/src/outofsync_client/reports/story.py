"""What a report says about one video, however it is laid out: sentences, moments, facts, fingerprints."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from outofsync_client._result import Result, Segment
from outofsync_client.reports.wording import NOTHING, delay_words, number, percent, printable

MAX_MOMENTS = 6
SUSPICIOUS = 0.5  # a segment's probability of being fake from which it is marked

Fact = tuple[str, str]

HEADLINES = {
    "real": "Nothing speaks against this video: lips and voice fit together as in recorded speech.",
    "likely_real": "This video is rather genuine than not, though not all of it is as usual.",
    "likely_fake": "This video is rather manipulated than not, for the reasons below.",
    "fake": "This video is very likely manipulated, for the reasons below.",
    "inconclusive": "This video could not be judged either way.",
}

LIMITS = (
    "The verdict rests on two questions: do the lips and the voice fit together, moment by moment, and does "
    "the face move as filmed faces do? Many generated faces, and a cloned voice spoken in time, pass both.",
    "A constant shift between picture and sound is common in edited and broadcast video, and is not held "
    "against it.",
    "The probability is calibrated on the data that the model card names; on other material it may be off.",
    "Use this report as one piece of evidence, never as the only one.",
)


@dataclass(frozen=True)
class Moment:
    """A stretch of the video that a reader should look at; ``still`` is a JPEG, where the server sent one."""

    segment: Segment
    time: float  # seconds, of the still
    still: bytes | None

    @property
    def is_suspicious(self) -> bool:
        return is_suspicious(self.segment.probability_fake)

    @property
    def lines(self) -> tuple[str, str, str]:
        """When it is, how likely it is fake, and how far the sound is off."""
        segment = self.segment
        span = f"{segment.start:.1f} to {segment.end:.1f} s"
        return span, f"fake {percent(segment.probability_fake)}", delay_words(segment.peak_delay)


def is_suspicious(probability: float | None) -> bool:
    return probability is not None and probability >= SUSPICIOUS


def headline(result: Result) -> str:
    """The verdict as a sentence."""
    return HEADLINES.get(result.verdict, f"The server's verdict is {printable(result.verdict)}.")


def reasons(result: Result) -> list[str]:
    """Why the verdict is what it is, a sentence each."""
    return [printable(reason.message) for reason in result.reasons]


def moments(result: Result) -> list[Moment]:
    """The segments that count most, the most suspicious ones, in order of time."""

    def weight(segment: Segment) -> tuple[float, float]:
        return (segment.probability_fake or 0.0, segment.score or 0.0)

    chosen = sorted(result.segments, key=weight, reverse=True)[:MAX_MOMENTS]
    stills = _stills(result)
    found = []
    for segment in sorted(chosen, key=lambda segment: (segment.start, segment.track or 0)):
        middle = (segment.start + segment.end) / 2
        near = [
            (abs(time - middle), time, still)
            for track, time, still in stills
            if track == segment.track and segment.start <= time <= segment.end
        ]
        _, time, still = min(near) if near else (0.0, middle, None)
        found.append(Moment(segment, time, still))
    return found


def _stills(result: Result) -> list[tuple[int, float, bytes]]:
    """Track, time (s) and JPEG of each still that the server sent; what cannot be read is left out."""
    stills = []
    for frame in result.raw.get("frames") or ():
        try:
            picture = base64.b64decode(frame["jpeg"], validate=True)
            if picture[:2] == b"\xff\xd8":
                stills.append((int(frame["track"]), float(frame["time"]), picture))
        except (KeyError, TypeError, ValueError, binascii.Error):
            continue
    return stills


def numbers(result: Result) -> list[Fact]:
    """The figures behind the verdict."""
    suspicious = sum(is_suspicious(segment.probability_fake) for segment in result.segments)
    return [
        ("probability of fake", percent(result.probability_fake)),
        ("score", number(result.score)),
        ("delay part", number(result.delay_score)),
        ("feature part", f"{number(result.feature_score)}, weight λ {number(result.lam, 2)}"),
        ("offset", f"{delay_words(result.offset_frames)}, confidence {number(result.offset_confidence, 2)}"),
        ("segments", f"{len(result.segments)} scored, {suspicious} suspicious"),
        ("faces followed", str(len(result.tracks))),
    ]


def media(result: Result) -> list[Fact]:
    """What the file is."""
    facts = result.media
    size = facts.get("bytes")
    return [
        ("length", _unit(facts.get("duration_s"), "s", 2)),
        ("picture", f"{_text(facts, 'width')} x {_text(facts, 'height')} px, {_text(facts, 'video_codec')}"),
        ("frame rate", _unit(facts.get("frame_rate"), "frames/s", 2)),
        (
            "sound",
            f"{_text(facts, 'audio_codec')}, {_text(facts, 'sample_rate')} Hz, channels: "
            f"{_text(facts, 'channels')}",
        ),
        ("container", _text(facts, "container")),
        ("size", NOTHING if size is None else f"{size / 1e6:.2f} MB"),
    ]


def fingerprints(result: Result, options: Mapping[str, Any]) -> list[Fact]:
    """What is needed to check the verdict later: the file, the models and the settings that made it.

    The settings' sum is that of the JSON beside it, as UTF-8; what only asks for more answers is left out.
    """
    facts = [("SHA-256 of the file", printable(str(result.id)))]
    for name, model in result.models.items():
        values = model if isinstance(model, Mapping) else {"version": model}
        facts += [(f"{name}, {key}", printable(str(value))) for key, value in values.items()]
    settings = {name: value for name, value in options.items() if value is not None and name != "include"}
    written = json.dumps(settings, sort_keys=True)
    facts.append(("SHA-256 of the settings", hashlib.sha256(written.encode()).hexdigest()))
    return [*facts, ("settings", printable(written) + ("" if settings else ", the server's defaults"))]


def _text(facts: Mapping[str, Any], name: str) -> str:
    value = facts.get(name)
    return NOTHING if value is None else printable(str(value))


def _unit(value: float | None, unit: str, digits: int) -> str:
    return NOTHING if value is None else f"{value:.{digits}f} {unit}"
