"""A quick look at a synchronisation network: does it find the right delay, and does it see a wrong one?"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from torch import Tensor

from outofsync.constants import MAX_DELAY, SAMPLES_PER_FRAME
from outofsync.synchrony.embedding import STEM_REACH, EmbeddingNetwork, delay_similarity
from outofsync.synchrony.senses import MelTrack, centre_pictures, level
from training.clips import TalkingFace

SHIFTS = (3, 8)  # frames
SPAN = 55  # frames: 2.2 s


@torch.inference_mode()
def embed_span(
    network: EmbeddingNetwork, pictures: NDArray[np.uint8], audio: NDArray[np.int16]
) -> tuple[Tensor, Tensor]:
    """Unit vectors (frames, embedding) of one span's pictures and sound."""
    device = next(network.parameters()).device
    seen = F.pad(centre_pictures(pictures, network.config.picture), (0, 0, 0, 0, STEM_REACH, STEM_REACH))
    mel = MelTrack()(level(torch.from_numpy(audio[: len(pictures) * SAMPLES_PER_FRAME]))[None])
    visual, sound = network.embed(seen[None].to(device), mel.to(device))
    return visual[0].cpu(), sound[0].cpu()


def mean_similarity(visual: Tensor, sound: Tensor) -> NDArray[np.float64]:
    """Cosine at each of the 31 delays, averaged over the frames both last: (31,)."""
    frames = min(len(visual), len(sound))
    similarity, valid = delay_similarity(visual[None, :frames], sound[None, :frames], MAX_DELAY)
    return (similarity[0].double().sum(0) / valid.sum(0).clamp(min=1)).numpy()


def evidence(similarity: NDArray[np.float64]) -> float:
    """How much better the sound fits where it is than elsewhere."""
    return float(similarity[MAX_DELAY] - np.median(similarity))


@dataclass(frozen=True)
class FaceSpan:
    """2.2 s of one clip, or all of a shorter one."""

    pictures: NDArray[np.uint8]
    audio: NDArray[np.int16]
    identity: str


def cut_spans(faces: list[TalkingFace]) -> list[FaceSpan]:
    """Consecutive spans of every clip; a rest shorter than a span is left out."""
    spans = []
    for face in faces:
        for start in range(0, max(1, len(face) - SPAN + 1), SPAN):
            stop = min(start + SPAN, len(face))
            sound = face.audio[start * SAMPLES_PER_FRAME : stop * SAMPLES_PER_FRAME]
            spans.append(FaceSpan(face.pictures[start:stop], sound, face.identity or face.file))
    return spans


def offset_report(network: EmbeddingNetwork, faces: list[TalkingFace]) -> dict[str, float]:
    """Where all spans together fit best, how many fit there exactly or within a frame, and two AUCs.

    Every identity counts alike, however many spans it has.
    """
    spans = cut_spans(faces)
    share = Counter(span.identity for span in spans)
    weights = np.array([1 / share[span.identity] for span in spans])
    embedded = [embed_span(network, span.pictures, span.audio) for span in spans]
    truth = [mean_similarity(*pair) for pair in embedded]
    best = np.array([int(np.argmax(similarity)) - MAX_DELAY for similarity in truth])
    real = [evidence(similarity) for similarity in truth]
    shifted = [
        (_evidence_of(network, span.pictures[:-shift], span.audio[shift * SAMPLES_PER_FRAME :]), weight)
        for span, weight in zip(spans, weights, strict=True)
        for shift in SHIFTS
        if len(span.pictures) >= 2 * shift
    ]
    half = len(spans) // 2
    swapped = [
        (_evidence_of(network, span.pictures, spans[(number + half) % len(spans)].audio), weights[number])
        for number, span in enumerate(spans)
    ]
    return {
        "spans": len(spans),
        "peak": round(peak_delay(np.average(truth, axis=0, weights=weights)), 2),
        "exact": round(float(np.average(best == 0, weights=weights)), 3),
        "within_1": round(float(np.average(abs(best) <= 1, weights=weights)), 3),
        "auc_shifted": _auc(real, weights, shifted),
        "auc_swapped": _auc(real, weights, swapped),
    }


def merit(report: dict[str, float]) -> float:
    """One number to compare two networks by."""
    return report["within_1"] + report["auc_shifted"] + report["auc_swapped"]


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


def _evidence_of(network: EmbeddingNetwork, pictures: NDArray[np.uint8], audio: NDArray[np.int16]) -> float:
    """Evidence after cutting both to the shorter one, as a manipulated file would be cut."""
    frames = min(len(pictures), len(audio) // SAMPLES_PER_FRAME)
    return evidence(
        mean_similarity(*embed_span(network, pictures[:frames], audio[: frames * SAMPLES_PER_FRAME]))
    )


def _auc(
    real: list[float], weights: NDArray[np.float64], fake: list[tuple[float, np.float64 | float]]
) -> float:
    """AUC of genuine evidence against that of (evidence, weight) pairs."""
    truth = [1] * len(real) + [0] * len(fake)
    values = real + [value for value, _ in fake]
    shares = [*weights, *(weight for _, weight in fake)]
    return round(float(roc_auc_score(truth, values, sample_weight=shares)), 3)
