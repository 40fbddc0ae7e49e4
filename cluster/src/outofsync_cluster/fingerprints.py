"""What a clip looks and sounds like, in 120 bytes that survive another coding, size, container or volume.

At five places, evenly spread over the video, perceptual hashes (ImageHash's ``phash``: the signs of a
picture's lowest frequencies) of the largest face, of its mouth, and of a spectrogram of the sound around that
very frame. Sound that was moved changes the third, lips that were made anew the second.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from outofsync.clip import Clip, Track
from outofsync.constants import FACE_SIZE, MOUTH_CENTRE, SAMPLE_RATE, SAMPLES_PER_FRAME
from outofsync.errors import OutOfSyncError

PLACES = 5
KINDS = ("face", "mouth", "sound")
HASH_BITS = 64
DIGITS = HASH_BITS // 4
MISSING = "-" * DIGITS
MOUTH_SIDE = 80  # px of a face crop
SOUND_S = (
    0.64  # around a frame: some syllables, and little beside a sound that comes a quarter of a second late
)
STEP, WINDOW = 160, 400  # samples
TOP_HZ = 4000  # above it, codecs leave out what they please
RANGE = 1e-3  # below the loudest tone, what is heard: 60 dB, whatever the volume
Picture = NDArray[np.uint8]


def fingerprint_of(clip: bytes) -> str | None:
    """The fingerprint of a clip as it flows between the nodes; none of one that holds an error.

    Never raises for what a clip is like: the node that judges it will say what is wrong with it.
    """
    try:
        found = Clip.from_bytes(clip)
        return None if found.error else fingerprint(found.tracks, found.audio)
    except OutOfSyncError:
        return None


def fingerprint(tracks: Sequence[Track], audio: NDArray[np.int16]) -> str:
    """Hexadecimal digits, or dashes where nothing is seen or heard.

    ``audio`` is 16 kHz mono from the first frame on, and says how long the video is.
    """
    largest = max(tracks, key=_size, default=None)
    frames = len(audio) // SAMPLES_PER_FRAME
    words = []
    for place in range(PLACES):
        frame = frames * (2 * place + 1) // (2 * PLACES)
        face = _face(largest, frame)
        words += [MISSING, MISSING] if face is None else [_hash(face), _hash(_mouth(face))]
        sound = spectrogram(audio, (frame + 0.5) * SAMPLES_PER_FRAME)
        words.append(MISSING if sound is None else _hash(sound))
    return "".join(words)


def spectrogram(audio: NDArray[np.int16], middle: float) -> Picture | None:
    """The sound around a sample as a picture (frequencies, steps); none where it is silent or cut off."""
    half = round(SOUND_S * SAMPLE_RATE / 2)
    start = round(middle) - half
    heard = audio[max(0, start) : start + 2 * half].astype(np.float64)
    if len(heard) < half or not heard.any():
        return None
    heard = np.pad(heard, (max(0, -start), max(0, 2 * half - len(heard) - max(0, -start))))
    windows = np.lib.stride_tricks.sliding_window_view(heard, WINDOW)[::STEP] * np.hanning(WINDOW)
    tones = np.abs(np.fft.rfft(windows, axis=1)).T[: TOP_HZ * WINDOW // SAMPLE_RATE]
    loud = np.log(tones / tones.max() + RANGE)
    grey = np.round((loud - np.log(RANGE)) / -np.log(RANGE) * 255).clip(0, 255)
    picture: Picture = grey.astype(np.uint8)
    return picture


def _size(track: Track) -> float:
    """By how much of the video it fills."""
    return float(((track.boxes[:, 2] - track.boxes[:, 0]) ** 2).sum())


def _face(track: Track | None, frame: int) -> Picture | None:
    if track is None or not track.start <= frame < track.stop:
        return None
    face: Picture = track.frames.read(frame - track.start, frame - track.start + 1)[0]
    return face


def _mouth(face: Picture) -> Picture:
    scale = face.shape[0] / FACE_SIZE
    x, y, half = (round(scale * value) for value in (*MOUTH_CENTRE, MOUTH_SIDE / 2))
    return face[y - half : y + half, x - half : x + half]


def _hash(picture: Picture) -> str:
    found: Any = imagehash.phash(Image.fromarray(picture), hash_size=int(HASH_BITS**0.5))
    return str(found)
