"""The reasons that go with a verdict: every code that a caller can see, and its sentence."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True)
class StatedReason:
    """A reason as it was stated, here or by the node before, which may be of another version."""

    code: str
    message: str

    def to_dict(self) -> dict[str, str]:
        return {"code": self.code, "message": self.message}


class Reason(Enum):
    """Why a verdict is what it is, or could not be given: a stable code and a sentence."""

    NO_FACE = "no_face", "No face was found that stays in view long enough to be judged."
    NOBODY_SPEAKING = (
        "nobody_speaking",
        "No face in the picture moves with the voice; the speaker may be off screen.",
    )
    SILENCE = "silence", "There is hardly any sound, so nothing to compare the lips with."
    CONSTANT_OFFSET = (
        "constant_offset",
        "Sound and picture fit, but one lags the other throughout by more than broadcasting leaves; editing"
        " causes that as well as forgery. What is left once they are moved together is judged apart.",
    )
    TOLERATED_OFFSET = (
        "tolerated_offset",
        "Sound and picture are a little apart throughout, as cameras and broadcasts leave them; it was judged"
        " with them moved together.",
    )
    TOO_SHORT = "too_short", "The face is in view for too short a time to be judged."
    TOO_BLURRY = "too_blurry", "The face is too blurry or too small to see the lips move."
    UNCLEAR = (
        "unclear",
        "Something is less usual than in most genuine video, though not so that genuine video never has it.",
    )
    FACES_LEFT_OUT = (
        "faces_left_out",
        "The video shows more faces than are judged; the most visible ones were.",
    )
    TRACKS_LEFT_OUT = (
        "tracks_left_out",
        "The file holds more than one picture or sound; media.tracks says which were judged, and the options"
        " video_track and audio_track choose others.",
    )
    GAPS = (
        "gaps",
        "Picture or sound is missing for a while, or the file's clock was set anew; media.gaps says when, and"
        " what has no picture or no sound was not judged.",
    )
    OUT_OF_SYNC = "out_of_sync", "Lips and voice do not fit together."
    UNNATURAL_SEQUENCE = (
        "unnatural_sequence",
        "Lips and voice follow one another in a way that recorded speech does not.",
    )
    GENERATED_FACE = (
        "generated_face",
        "The face looks or moves as generated and re-lipped faces do, whether or not it fits the voice.",
    )
    MANIPULATED_SPAN = (
        "manipulated_span",
        "Most of the video holds together; one stretch of it does not. The segments say which.",
    )
    IN_SYNC = "in_sync", "Lips and voice fit together throughout, as in recorded speech."

    @property
    def stated(self) -> StatedReason:
        """As it goes with a result."""
        return StatedReason(*self.value)
