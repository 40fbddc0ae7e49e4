"""Finish the face network: fit what its texture says, and bring its ways of looking to one scale.

    python -m training.face --networks runs/face/networks.safetensors --output runs/face.safetensors

Movement and detail come trained (:mod:`training.face_network`). Texture is a logistic regression of numbers
that are measured once for every clip and kept in ``.cache/faces``. What each way says of ``val``, whose
generators none of them learns from, is printed, and divides it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from outofsync.appearance.network import WAYS, FaceConfig, FaceNetwork, Logistic
from outofsync.appearance.schedule import read_stretch, seen_of, starts_of
from outofsync.appearance.texture import small
from outofsync.checkpoints.store import Checkpoint
from training.clips import PreparedClip, prepared
from training.face_clips import DEGRADED, DUB, EVENNESS, PSEUDO, RAW, FaceClip, measured_clips
from training.preparation.ledger import Entry
from training.preparation.workers import each, one_thread
from training.spans import inverse_frequency_weights

MAX_FRAMES = 250  # of a clip that is looked at: 10 s


@dataclass(frozen=True)
class FaceTraining:
    """Everything that decides a fit but the data."""

    pseudo: float = 0.1  # share of pseudo-fakes among what is false
    strength: float = 3e-4  # inverse of the penalty on the weights


def shares(clips: Sequence[FaceClip], pseudo: float) -> NDArray[np.float64]:
    """How often each clip is drawn (clips,): genuine ones add up to one, and so do false ones.

    Rare sources and generators are drawn more often than their share; ``pseudo`` of the false ones are
    pseudo-fakes.
    """
    keys = [
        (clip.variant == PSEUDO, clip.source if clip.label == "real" else clip.generator) for clip in clips
    ]
    weights = inverse_frequency_weights(keys, EVENNESS)
    false = np.array([clip.false for clip in clips])
    made = np.array([clip.variant == PSEUDO for clip in clips])
    for rows, total in ((~false, 1.0), (false & ~made, 1 - pseudo), (made, pseudo)):
        if rows.any():
            weights[rows] *= total / weights[rows].sum()
    return weights


def fit_texture(head: Logistic, clips: Sequence[FaceClip], settings: FaceTraining) -> None:
    """Teach texture from the numbers of clips."""
    counts = [len(clip.numbers) for clip in clips]  # of stretches, which share their clip's weight
    values = np.concatenate([clip.numbers for clip in clips])
    truth = np.repeat([clip.false for clip in clips], counts)
    weights = np.repeat(shares(clips, settings.pseudo) / counts, counts)
    scaler = StandardScaler().fit(values)
    model = LogisticRegression(C=settings.strength, max_iter=500)
    model.fit(scaler.transform(values), truth, sample_weight=weights * len(truth) / weights.sum())
    with torch.no_grad():
        head.mean.copy_(torch.from_numpy(scaler.mean_))
        head.spread.copy_(torch.from_numpy(scaler.scale_))
        head.out.weight.copy_(torch.from_numpy(model.coef_))
        head.out.bias.copy_(torch.from_numpy(model.intercept_))


def to_one_scale(network: FaceNetwork, said: NDArray[np.float32]) -> None:
    """Let every way of looking be heard alike, by what each says of some clips (clips, 3)."""
    network.centre.copy_(torch.from_numpy(np.median(said, axis=0)))
    network.scale.copy_(torch.from_numpy(said.std(0)).clamp(min=1e-6))


def network_of(path: Path) -> FaceNetwork:
    """A face network as a checkpoint has it."""
    network = FaceNetwork(FaceConfig())
    network.load_state_dict(Checkpoint.load(path, kind="face").tensors)
    return network.eval()


def say(clips: Sequence[PreparedClip], path: Path, *, workers: int = 1) -> dict[str, NDArray[np.float32]]:
    """What each way of looking of the network in ``path`` says of clips, by file: (3,)."""
    calls = ((clip.facts["file"], (clip, path)) for clip in clips)
    return dict(each(_say, calls, workers=workers, begin=one_thread))


@torch.inference_mode()
def _say(clip: PreparedClip, path: Path) -> NDArray[np.float32]:
    """The mean over the stretches that the product looks at."""
    network = _kept_network(path)
    frames, _ = clip.read()
    said = [
        network.apart(*(part[None] for part in seen_of(small(read_stretch(frames, start)), network.config)))[
            0
        ]
        for start in starts_of(min(len(frames), MAX_FRAMES))
    ]
    mean: NDArray[np.float32] = torch.stack(said).mean(0).numpy()
    return mean


@cache
def _kept_network(path: Path) -> FaceNetwork:
    return network_of(path)


def auc(values: Mapping[str, float], clips: Sequence[Entry]) -> float:
    """Of generated against genuine clips, every person alike; ``clips`` are their facts."""
    weights = inverse_frequency_weights([(clip["label"], clip["identity"] or clip["file"]) for clip in clips])
    truth = [clip["label"] != "real" for clip in clips]
    said = [values[clip["file"]] for clip in clips]
    return round(float(roc_auc_score(truth, said, sample_weight=weights)), 3)


def look(
    network: FaceNetwork, said: Mapping[str, NDArray[np.float32]], clips: Sequence[Entry]
) -> dict[str, float]:
    """AUC over all generators of some clips: of each way of looking, of all together, and by generator.

    ``said`` has the logits of a file, (ways,).
    """
    report = {
        way: auc({file: float(values[number]) for file, values in said.items()}, clips)
        for number, way in enumerate(WAYS)
    }
    logits = network.together(torch.from_numpy(np.stack(list(said.values()))))
    together = dict(zip(said, logits.tolist(), strict=True))
    report["together"] = auc(together, clips)
    genuine = [clip for clip in clips if clip["label"] == "real"]
    names = sorted({clip["generator"] for clip in clips if clip["label"] != "real"})
    for name in names:
        made = [clip for clip in clips if clip["label"] != "real" and clip["generator"] == name]
        report[name] = auc(together, [*genuine, *made])
    report["mean over generators"] = round(float(np.mean([report[name] for name in names])), 3)
    return report


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=Path, default=Path(".cache/clips"))
    parser.add_argument(
        "--faces", type=Path, default=Path(".cache/faces"), help="where what was measured is kept"
    )
    parser.add_argument(
        "--networks",
        type=Path,
        default=Path("checkpoints/face.safetensors"),
        help="a checkpoint with movement and detail",
    )
    parser.add_argument("--output", type=Path, default=Path("checkpoints/face.safetensors"))
    parser.add_argument("--leave-out", nargs="*", default=[], help="generators not to learn from")
    parser.add_argument("--workers", type=int, default=2)
    run(parser.parse_args())


def run(arguments: argparse.Namespace) -> None:
    """Measure every clip, fit, look at ``val``, write."""
    settings = FaceTraining()
    clips = prepared(arguments.clips, split="train", labels=("real", "fake"))
    learnt = [
        clip
        for clip in measured_clips(clips, (RAW, DEGRADED, PSEUDO), arguments.faces, workers=arguments.workers)
        if clip.generator not in arguments.leave_out
    ]
    network = network_of(arguments.networks)
    fit_texture(network.texture, learnt, settings)
    about = Checkpoint.load(arguments.networks, kind="face").about
    checkpoint(network, about).save(arguments.output)

    watched = [
        clip
        for clip in prepared(arguments.clips, split="val", labels=("real", "fake"))
        if DUB not in clip.facts["generator"]
    ]
    said = say(watched, arguments.output, workers=arguments.workers)
    facts = [clip.facts for clip in watched]
    report: dict[str, float] = {}
    if said:
        to_one_scale(network, np.stack(list(said.values())))
    if {clip["label"] for clip in facts} == {"real", "fake"}:
        report = look(network, said, facts)
    print(json.dumps({"clips": len(learnt), "looked at": len(facts)} | report, indent=1), flush=True)
    checkpoint(network, about | {"texture": asdict(settings), "val": report}).save(arguments.output)


def checkpoint(network: FaceNetwork, about: Mapping[str, object]) -> Checkpoint:
    """Ready to be served."""
    return Checkpoint(
        "face", "movement", asdict(network.config), network.state_dict(), about=dict(about)
    ).halved()


if __name__ == "__main__":
    main()
