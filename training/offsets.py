"""A quick look at a synchronisation network: does it find the right delay, and does it see a wrong one?"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from outofsync.constants import MAX_DELAY, SAMPLES_PER_FRAME
from outofsync.synchrony.embedding import STEM_REACH, EmbeddingNetwork, delay_similarity
from outofsync.synchrony.senses import MelTrack, centre_pictures, level
from training.clips import TalkingFace

SHIFTS = (3, 6, 10, 15)  # frames
SPAN = 55  # frames: 2.2 s


@torch.inference_mode()
def mean_similarity(
    network: EmbeddingNetwork, pictures: NDArray[np.uint8], audio: NDArray[np.int16]
) -> NDArray[np.float64]:
    """Cosine at each of the 31 delays, averaged over the clip: (31,)."""
    device = next(network.parameters()).device
    frames = len(pictures)
    seen = torch.nn.functional.pad(
        centre_pictures(pictures, network.config.picture), (0, 0, 0, 0, STEM_REACH, STEM_REACH)
    )
    mel = MelTrack()(level(torch.from_numpy(audio[: frames * SAMPLES_PER_FRAME]))[None])
    visual, sound = network.embed(seen[None].to(device), mel.to(device))
    similarity, valid = delay_similarity(visual.cpu(), sound.cpu(), MAX_DELAY)
    return (similarity[0].double().sum(0) / valid.sum(0).clamp(min=1)).numpy()


def evidence(similarity: NDArray[np.float64]) -> float:
    """How much better the sound fits where it is than elsewhere."""
    return float(similarity[MAX_DELAY] - np.median(similarity))


def spans(faces: list[TalkingFace]) -> list[tuple[NDArray[np.uint8], NDArray[np.int16]]]:
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
    pieces = spans(faces)
    truth = [mean_similarity(network, *piece) for piece in pieces]
    best = np.array([int(np.argmax(similarity)) - MAX_DELAY for similarity in truth])
    real = [evidence(similarity) for similarity in truth]
    shifted = []
    for pictures, audio in pieces:
        for shift in SHIFTS:
            if len(pictures) >= 2 * shift:
                shifted.append(
                    evidence(mean_similarity(network, pictures[:-shift], audio[shift * SAMPLES_PER_FRAME :]))
                )
    swapped = [
        evidence(_pair(network, pieces[i][0], pieces[(i + len(pieces) // 2) % len(pieces)][1]))
        for i in range(len(pieces))
    ]
    return {
        "spans": len(pieces),
        "exact": round(float((best == 0).mean()), 3),
        "within_1": round(float((abs(best) <= 1).mean()), 3),
        "auc_shifted": round(_auc(real, shifted), 3),
        "auc_swapped": round(_auc(real, swapped), 3),
    }


def _pair(
    network: EmbeddingNetwork, pictures: NDArray[np.uint8], audio: NDArray[np.int16]
) -> NDArray[np.float64]:
    frames = min(len(pictures), len(audio) // SAMPLES_PER_FRAME)
    return mean_similarity(network, pictures[:frames], audio[: frames * SAMPLES_PER_FRAME])


def _auc(real: list[float], fake: list[float]) -> float:
    return float(roc_auc_score([1] * len(real) + [0] * len(fake), real + fake))
