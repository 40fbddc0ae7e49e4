"""A quick look at a synchronisation network: does it hear where the sound lies, and that it is another's?

Ordinary video is early or late by itself, so nothing is measured against no delay: a clip's own offset is
where all of it fits best, and its parts, and known shifts of them, are held against that.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from torch import Tensor

from outofsync.constants import EARLIEST_TOLERATED, LATEST_TOLERATED, MAX_DELAY, SAMPLES_PER_FRAME
from outofsync.synchrony.embedding import STEM_REACH, EmbeddingNetwork, delay_similarity
from outofsync.synchrony.embedding.inputs import MelTrack, centre_pictures, level
from training.clips import TalkingFace
from training.spans import Span, inverse_frequency_weights, pieces

SHIFTS = (-5, 5)  # frames by which a span's sound is made late
SPAN = 55  # frames: 2.2 s
MAX_FRAMES = 250  # of one clip
HALVED_FROM = 100  # frames: 4 s

Curve = NDArray[np.float64]  # (31,) mean cosines by delay


@cache
def _mel_track(device: torch.device) -> MelTrack:
    return MelTrack().to(device)


@torch.inference_mode()
def embed_span(
    network: EmbeddingNetwork, pictures: NDArray[np.uint8], audio: NDArray[np.int16]
) -> tuple[Tensor, Tensor]:
    """Unit vectors (frames, embedding) of one span's pictures and sound."""
    device = next(network.parameters()).device
    seen = F.pad(centre_pictures(pictures, network.config.picture), (0, 0, 0, 0, STEM_REACH, STEM_REACH))
    heard = torch.from_numpy(audio[: len(pictures) * SAMPLES_PER_FRAME]).to(device)
    mel = _mel_track(device)(level(heard)[None])
    visual, sound = network.embed(seen[None].to(device), mel)
    return visual[0].cpu(), sound[0].cpu()


def mean_similarity(visual: Tensor, sound: Tensor) -> Curve:
    """Cosine at each of the 31 delays, averaged over the frames both last: (31,)."""
    frames = min(len(visual), len(sound))
    similarity, valid = delay_similarity(visual[None, :frames], sound[None, :frames], MAX_DELAY)
    curve: Curve = (similarity[0].double().sum(0) / valid.sum(0).clamp(min=1)).numpy()
    return curve


def best_delay(curve: Curve) -> int:
    """Frames by which the sound comes late where lips and voice fit best, of a curve (31,)."""
    return int(curve.argmax()) - MAX_DELAY


def fit(curve: Curve) -> float:
    """How well the sound fits at its best place inside the broadcast window, of a curve (31,)."""
    return float(curve[MAX_DELAY + EARLIEST_TOLERATED : MAX_DELAY + LATEST_TOLERATED + 1].max())


@dataclass(frozen=True)
class Heard:
    """What a network says of one clip."""

    identity: str
    whole: Curve
    spans: list[Curve]
    shifted: list[tuple[int, Curve]]  # frames by which the sound was made late, and what was heard then
    halves: tuple[Curve, Curve] | None
    swapped: list[Curve]  # spans with another clip's sound

    @property
    def own(self) -> int:
        return best_delay(self.whole)


def hear(network: EmbeddingNetwork, face: TalkingFace, other: TalkingFace) -> Heard:
    """One clip, its spans and halves, and its spans with their sound moved or taken from another clip."""
    pictures, audio = face.pictures[:MAX_FRAMES], face.audio[: MAX_FRAMES * SAMPLES_PER_FRAME]

    def curve(start: int, stop: int, late: int = 0, sound: NDArray[np.int16] = audio) -> Curve:
        span = Span.of(start, stop, late)
        return mean_similarity(*embed_span(network, pictures[span.picture], sound[span.sound]))

    length = len(pictures)
    spans = list(pieces(length, SPAN)) or [(0, length)]
    shifted = [
        (late, curve(*span, late)) for span in spans for late in SHIFTS if Span.of(*span, late).inside(length)
    ]
    last = len(other) - SPAN
    elsewhere = [start % last if last > 0 else 0 for start, _ in spans]
    swapped = [
        curve(*span, span[0] - heard, other.audio) for span, heard in zip(spans, elsewhere, strict=True)
    ]
    middle = length // 2
    halves = (curve(0, middle), curve(middle, length))
    return Heard(
        face.identity or face.file,
        curve(0, length),
        [curve(*span) for span in spans],
        shifted,
        halves if length >= HALVED_FROM else None,
        swapped,
    )


def offset_report(network: EmbeddingNetwork, faces: list[TalkingFace]) -> dict[str, float]:
    """How often spans, known shifts and halves agree with their clip, and an AUC; people count alike."""
    half = len(faces) // 2
    heard = [hear(network, face, faces[(number + half) % len(faces)]) for number, face in enumerate(faces)]
    near, found, agree = Tally(), Tally(), Tally()
    genuine, false = Tally(), Tally()
    for clip in heard:
        for curve in clip.spans:
            near.add(clip.identity, abs(best_delay(curve) - clip.own) <= 1)
            genuine.add(clip.identity, fit(curve))
        for late, curve in clip.shifted:
            found.add(clip.identity, abs(best_delay(curve) - clip.own - late) <= 1)
        if clip.halves is not None:
            first, second = (best_delay(curve) for curve in clip.halves)
            agree.add(clip.identity, abs(first - second) <= 1)
        for curve in clip.swapped:
            false.add(clip.identity, fit(curve))
    truth = [1] * len(genuine.values) + [0] * len(false.values)
    weights = np.concatenate([genuine.weights(), false.weights()])
    auc = roc_auc_score(truth, genuine.values + false.values, sample_weight=weights)
    return {
        "spans": len(near.values),
        "peak": round(peak_delay(np.mean([clip.whole for clip in heard], axis=0)), 2),
        "span_as_clip": near.mean(),
        "shift_found": found.mean(),
        "halves_agree": agree.mean(),
        "auc_swapped": round(float(auc), 3),
    }


def selection_metric(report: dict[str, float]) -> float:
    """One number to compare two networks by."""
    return report["shift_found"] + report["halves_agree"] + 2 * report["auc_swapped"]


class Tally:
    """Values of many spans, of which every person counts alike."""

    def __init__(self) -> None:
        self.values: list[float] = []
        self._people: list[str] = []

    def add(self, person: str, value: float) -> None:
        self.values.append(float(value))
        self._people.append(person)

    def weights(self) -> NDArray[np.float64]:
        """Of each value: (values,)."""
        return inverse_frequency_weights(self._people)

    def mean(self) -> float:
        return round(float(np.average(self.values, weights=self.weights())), 3) if self.values else 0.0


def peak_delay(similarity: NDArray[np.floating]) -> float:
    """The delay (frames, sound late positive) at which a curve (31,) peaks, by a parabola through its top.

    Of many clips together it says how far one set's sound lies from another's: train on the one, look at
    the other.
    """
    best = int(similarity.argmax())
    if not 0 < best < len(similarity) - 1:
        return float(best - MAX_DELAY)
    before, top, after = similarity[best - 1 : best + 2]
    return float(best - MAX_DELAY + (before - after) / (2 * (before - 2 * top + after)))
