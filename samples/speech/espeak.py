"""espeak-ng through its C library, which tells the sample at which each phoneme begins.

Only making new clips needs it; on Debian it is the package `libespeak-ng1`.
"""

import ctypes
import ctypes.util
from dataclasses import dataclass
from functools import cache
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from samples.speech.phoneme import SAMPLE_RATE, Phoneme, Speech

SYNCHRONOUS = 2  # AUDIO_OUTPUT_SYNCHRONOUS
IPA_PHONEME_EVENTS = 1 | 2  # espeakINITIALIZE_PHONEME_EVENTS | espeakINITIALIZE_PHONEME_IPA
LIST_TERMINATED, PHONEME = 0, 7  # espeak_EVENT_TYPE
UTF8 = 1
RATE, VOLUME, PITCH, PITCH_RANGE = 1, 2, 3, 4  # espeak_PARAMETER

VOICELESS_STOPS = frozenset("ptkcqʈ")
LONGEST_CLOSURE = 0.13  # seconds
SILENT = 40  # of 32768: espeak's own silence is exactly zero, before resampling


class EspeakMissingError(RuntimeError):
    """libespeak-ng is not installed."""


class _Id(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    )


_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


@dataclass(frozen=True)
class Voice:
    """A voice of espeak-ng: a language with a variant or none ("en-us+f3"), its speed, and 0–100 scales."""

    name: str
    words_per_minute: int = 165
    pitch: int = 50
    pitch_range: int = 50


@cache
def _library() -> tuple[ctypes.CDLL, int]:
    """The library, initialised once a process, and its sampling rate in Hz."""
    name = ctypes.util.find_library("espeak-ng") or "libespeak-ng.so.1"
    try:
        library = ctypes.CDLL(name)
    except OSError:
        raise EspeakMissingError(
            "Making speech needs espeak-ng, which is not installed (Debian: apt-get install libespeak-ng1)."
        ) from None
    rate = library.espeak_Initialize(SYNCHRONOUS, 0, None, IPA_PHONEME_EVENTS)
    if rate <= 0:
        raise EspeakMissingError("espeak-ng found no data (Debian: apt-get install espeak-ng-data).")
    return library, rate


def available() -> bool:
    """Whether speech can be made on this machine."""
    try:
        _library()
    except EspeakMissingError:
        return False
    return True


def speak(text: str, voice: Voice) -> Speech:
    """Read `text` aloud.

    Raises:
        EspeakMissingError: the library or its data is absent.
        ValueError: espeak-ng knows no such voice.
    """
    library, rate = _library()
    if library.espeak_SetVoiceByName(voice.name.encode()) != 0:
        raise ValueError(f"espeak-ng has no voice {voice.name!r}")
    for parameter, value in ((RATE, voice.words_per_minute), (VOLUME, 90), (PITCH, voice.pitch)):
        library.espeak_SetParameter(parameter, value, 0)
    library.espeak_SetParameter(PITCH_RANGE, voice.pitch_range, 0)

    pieces: list[NDArray[np.int16]] = []
    marks: list[tuple[int, str]] = []

    def collect(wave: Any, count: int, events: Any) -> int:
        if count > 0:
            pieces.append(np.ctypeslib.as_array(wave, (count,)).copy())
        index = 0
        while events[index].type != LIST_TERMINATED:
            if events[index].type == PHONEME:
                marks.append((events[index].sample, _symbol(events[index].id)))
            index += 1
        return 0

    callback = _CALLBACK(collect)
    ctypes.CDLL(None).srand(1)  # espeak-ng makes its noises with C's generator, seeded from the clock
    library.espeak_SetSynthCallback(callback)
    data = text.encode()
    library.espeak_Synth(data, len(data) + 1, 0, 1, 0, UTF8, None, None)
    library.espeak_Synchronize()
    wave = np.concatenate(pieces) if pieces else np.zeros(0, np.int16)
    return Speech(_resample(wave, rate), _phonemes(marks, wave, rate))


def _symbol(identifier: _Id) -> str:
    """The IPA symbol; espeak-ng cuts long ones at eight bytes, perhaps inside a character."""
    return bytes(identifier.string).decode(errors="ignore").strip("_ ˈˌ")


def _phonemes(marks: list[tuple[int, str]], wave: NDArray[np.int16], rate: int) -> tuple[Phoneme, ...]:
    """Phonemes from the marks at which they begin.

    espeak-ng marks a voiceless stop at its burst and counts the silent closure before it to the sound before;
    the lips close with the silence, so the stop begins there.
    """
    starts = [
        _closure_start(wave, sample, rate) if symbol[:1] in VOICELESS_STOPS else sample
        for sample, symbol in marks
    ]
    ends = [*starts[1:], len(wave)]
    return tuple(
        Phoneme(symbol, start / rate, end / rate)
        for (_, symbol), start, end in zip(marks, starts, ends, strict=True)
        if end > start
    )


def _closure_start(wave: NDArray[np.int16], burst: int, rate: int) -> int:
    earliest = max(0, burst - int(LONGEST_CLOSURE * rate))
    loud = np.flatnonzero(np.abs(wave[earliest:burst].astype(np.int32)) > SILENT)
    return earliest + int(loud[-1]) + 1 if loud.size else burst - min(burst, rate // 25)


def _resample(wave: NDArray[np.int16], rate: int) -> NDArray[np.int16]:
    resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
    frame = av.AudioFrame.from_ndarray(wave[None], format="s16", layout="mono")
    frame.sample_rate = rate
    parts = [part.to_ndarray()[0] for given in (frame, None) for part in resampler.resample(given)]
    return np.concatenate(parts).astype(np.int16)
