"""A quick look at a synchronisation network: does it find the right delay, and does it see a wrong one?"""

from __future__ import annotations

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

SHIFTS = (3, 6, 10, 15)  # frames
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


def cut_spans(faces: list[TalkingFace]) -> list[tuple[NDArray[np.uint8], NDArray[np.int16]]]:
    """Cut clips into spans of 2.2 s; shorter clips stay whole."""
    cut = []
    for face in faces:
        for start in range(0, max(1, len(face) - SPAN + 1), SPAN):
            stop = min(start + SPAN, len(face))
            cut.append(
                (face.pictures[start:stop], face.audio[start * SAMPLES_PER_FRAME : stop * SAMPLES_PER_FRAME])
            )
    return cut


def offset_report(network: EmbeddingNetwork, faces: list[TalkingFace]) -> dict[str, float]:
    """Shares of spans whose delay is found exactly and within a frame, and two AUCs of the evidence."""
    spans = [embed_span(network, *span) for span in cut_spans(faces)]
    truth = [mean_similarity(*span) for span in spans]
    best = np.array([int(np.argmax(similarity)) - MAX_DELAY for similarity in truth])
    real = [evidence(similarity) for similarity in truth]
    shifted = [
        evidence(mean_similarity(visual, sound[shift:]))
        for visual, sound in spans
        for shift in SHIFTS
        if len(visual) >= 2 * shift
    ]
    half = len(spans) // 2
    swapped = [
        evidence(mean_similarity(visual, spans[(number + half) % len(spans)][1]))
        for number, (visual, _) in enumerate(spans)
    ]
    return {
        "spans": len(spans),
        "exact": round(float((best == 0).mean()), 3),
        "within_1": round(float((abs(best) <= 1).mean()), 3),
        "auc_shifted": round(_auc(real, shifted), 3),
        "auc_swapped": round(_auc(real, swapped), 3),
    }


def _auc(real: list[float], fake: list[float]) -> float:
    return float(roc_auc_score([1] * len(real) + [0] * len(fake), real + fake))
