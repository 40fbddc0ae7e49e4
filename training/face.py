"""Train the face network: genuine faces against pseudo-fakes made of them and against generated ones.

    python -m training.face --clips .cache/clips --front checkpoints/sync.safetensors --output f.safetensors
    python -m training.face --leave-out DINet IP-LAP TalkLip --output runs/without_relipping.safetensors

The front is that of a synchronisation network and stays as it is; what it makes of every clip is kept in
``.cache/faces``, so that a second run takes two minutes. Prints what each way of looking reaches on ``val``,
whose generators it never learns from.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold
from sklearn.preprocessing import StandardScaler

from outofsync.appearance.network import WAYS, FaceConfig, FaceNetwork, Logistic, movement
from outofsync.appearance.schedule import SEEN
from outofsync.checkpoints.store import Checkpoint
from training.clips import prepared
from training.face_clips import DEGRADED, PSEUDO, RAW, FaceClip, features_of, front_of

EVENNESS = 0.6  # a source's share of the draws is its share of the clips to the power of (1 − evenness)
DUB = "McGurk"  # in the name of what put another voice to a real picture: no face was made


@dataclass(frozen=True)
class FaceTraining:
    """Everything that decides a fit but the data."""

    pseudo_movement: float = 0.2  # share of pseudo-fakes among what is false
    pseudo_texture: float = 0.1
    strength_movement: float = 2e-4  # inverse of the penalty on the weights
    strength_texture: float = 3e-4
    seed: int = 0


def shares(clips: Sequence[FaceClip], pseudo: float) -> NDArray[np.float64]:
    """How often each clip is drawn, adding up to one for genuine ones and to one for false ones.

    Rare sources and generators are drawn more often than their share; ``pseudo`` of the false ones are
    pseudo-fakes.
    """
    keys = [
        (clip.variant == PSEUDO, clip.source if clip.label == "real" else clip.generator) for clip in clips
    ]
    sizes = Counter(keys)
    weights = np.array([sizes[key] ** -EVENNESS for key in keys])
    false = np.array([clip.false for clip in clips])
    made = np.array([clip.variant == PSEUDO for clip in clips])
    for rows, total in ((~false, 1.0), (false & ~made, 1 - pseudo), (made, pseudo)):
        if rows.any():
            weights[rows] *= total / weights[rows].sum()
    return weights


def moved(clip: FaceClip, lags: tuple[int, ...]) -> NDArray[np.float32]:
    """How far a clip's vectors go, the mean over its stretches: (views · lags · 256,)."""
    vectors = clip.vectors.astype(np.float32)
    if vectors.shape[1] < SEEN:  # what is shorter goes back the way it came
        vectors = np.pad(vectors, ((0, 0), (0, SEEN - vectors.shape[1]), (0, 0)), "reflect")
    starts = range(0, vectors.shape[1] - SEEN + 1, SEEN // 2)
    stretches = np.stack([vectors[:, start : start + SEEN] for start in starts])
    mean: NDArray[np.float32] = movement(torch.from_numpy(stretches), lags).mean(0).numpy()
    return mean


def fit_logistic(
    head: Logistic,
    values: NDArray[np.float32],
    truth: NDArray[np.bool_],
    weights: NDArray[np.float64],
    strength: float,
) -> None:
    """Teach one way of looking from rows of numbers that count by their weights."""
    scaler = StandardScaler().fit(values)
    model = LogisticRegression(C=strength, max_iter=500)
    model.fit(scaler.transform(values), truth, sample_weight=weights * len(truth) / weights.sum())
    with torch.no_grad():
        head.mean.copy_(torch.from_numpy(scaler.mean_))
        head.spread.copy_(torch.from_numpy(scaler.scale_))
        head.out.weight.copy_(torch.from_numpy(model.coef_))
        head.out.bias.copy_(torch.from_numpy(model.intercept_))


def fit(
    network: FaceNetwork, clips: Sequence[FaceClip], unseen: Sequence[FaceClip], settings: FaceTraining
) -> None:
    """Teach both ways of looking; what they say of ``unseen`` clips brings them to one scale."""
    false = np.array([clip.false for clip in clips])
    fit_logistic(
        network.movement,
        np.stack([moved(clip, network.config.lags) for clip in clips]),
        false,
        shares(clips, settings.pseudo_movement),
        settings.strength_movement,
    )
    counts = [len(clip.numbers) for clip in clips]  # of stretches, which share their clip's weight
    fit_logistic(
        network.texture,
        np.concatenate([clip.numbers for clip in clips]),
        np.repeat(false, counts),
        np.repeat(shares(clips, settings.pseudo_texture) / counts, counts),
        settings.strength_texture,
    )
    said = np.stack([apart(network, clip) for clip in unseen])
    network.scale.copy_(torch.from_numpy(said.std(0)))


@torch.inference_mode()
def apart(network: FaceNetwork, clip: FaceClip) -> NDArray[np.float32]:
    """What each way of looking says of a clip: (2,)."""
    go = torch.from_numpy(moved(clip, network.config.lags))
    numbers = torch.from_numpy(clip.numbers).mean(0)
    said: NDArray[np.float32] = network.apart(go[None], numbers[None])[0].numpy()
    return said


def auc(values: dict[str, float], clips: Sequence[FaceClip]) -> float:
    """Of generated against genuine clips, every person alike."""
    people = Counter((clip.label, clip.identity or clip.file) for clip in clips)
    weights = [1 / people[clip.label, clip.identity or clip.file] for clip in clips]
    truth = [clip.label != "real" for clip in clips]
    return round(float(roc_auc_score(truth, [values[clip.file] for clip in clips], sample_weight=weights)), 3)


def look(network: FaceNetwork, clips: Sequence[FaceClip]) -> dict[str, float]:
    """AUC over all generators of some clips: of each way of looking, of all together, and by generator."""
    found = {clip.file: apart(network, clip) / network.scale.numpy() for clip in clips}
    report = {
        way: auc({file: float(values[number]) for file, values in found.items()}, clips)
        for number, way in enumerate(WAYS)
    }
    together = {file: float(values.mean()) for file, values in found.items()}
    report["together"] = auc(together, clips)
    genuine = [clip for clip in clips if clip.label == "real"]
    sizes = Counter(clip.generator for clip in clips if clip.label != "real")
    for name in sorted(sizes):
        report[name] = auc(together, [*genuine, *(clip for clip in clips if clip.generator == name)])
    report["mean over generators"] = round(float(np.mean([report[name] for name in sizes])), 3)
    return report


def held_out(clips: Sequence[FaceClip], settings: FaceTraining, folds: int) -> dict[str, float]:
    """AUC of every generator, and every person, that the network did not learn from, in turn."""
    names = [clip.generator if clip.label != "real" else clip.identity or clip.file for clip in clips]
    found, asked = dict[str, float](), list[FaceClip]()
    for learnt, left in GroupKFold(folds, shuffle=True, random_state=settings.seed).split(
        names, groups=names
    ):
        rows = set(left.tolist())
        unseen = [clips[row] for row in rows if clips[row].variant == RAW]
        network = FaceNetwork(FaceConfig()).eval()
        fit(network, [clips[row] for row in learnt.tolist()], unseen, settings)
        said = {clip.file: float((apart(network, clip) / network.scale.numpy()).mean()) for clip in unseen}
        middle = float(np.median([said[clip.file] for clip in unseen if clip.label == "real"]))
        found |= {file: value - middle for file, value in said.items()}
        asked += unseen
    genuine = [clip for clip in asked if clip.label == "real"]
    report = {"together": auc(found, asked)}
    for name in sorted({clip.generator for clip in asked if clip.label != "real"}):
        report[name] = auc(found, [*genuine, *(clip for clip in asked if clip.generator == name)])
    return report


def checkpoint(network: FaceNetwork, about: dict[str, object]) -> Checkpoint:
    """Ready to be served."""
    return Checkpoint("face", "movement", asdict(network.config), network.state_dict(), about=about).halved()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=Path, default=Path(".cache/clips"))
    parser.add_argument(
        "--faces", type=Path, default=Path(".cache/faces"), help="where what was seen is kept"
    )
    parser.add_argument(
        "--front", type=Path, default=Path("checkpoints/face.safetensors"), help="a checkpoint to see with"
    )
    parser.add_argument("--output", type=Path, default=Path("checkpoints/face.safetensors"))
    parser.add_argument("--leave-out", nargs="*", default=[], help="generators not to learn from")
    parser.add_argument(
        "--folds", type=int, help="write nothing; say what is reached on generators of train left out in turn"
    )
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=FaceTraining.seed)
    run(parser.parse_args())


def run(arguments: argparse.Namespace) -> None:
    """See every clip, fit, look at ``val``, write."""
    sides = {
        split: features_of(
            prepared(arguments.clips, split=split, labels=("real", "fake")),
            variants,
            arguments.front,
            arguments.faces,
            workers=arguments.workers,
        )
        for split, variants in (("train", (RAW, DEGRADED, PSEUDO)), ("val", (RAW,)))
    }
    learnt = [clip for clip in sides["train"] if clip.generator not in arguments.leave_out]
    watched = [clip for clip in sides["val"] if DUB not in clip.generator]
    settings = FaceTraining(seed=arguments.seed)
    if arguments.folds:
        print(json.dumps(held_out(learnt, settings, arguments.folds), indent=1), flush=True)
        return
    network = FaceNetwork(FaceConfig())
    network.front.load_state_dict(front_of(arguments.front).state_dict())
    fit(network.eval(), learnt, watched or learnt, settings)
    report = look(network, watched) if {clip.false for clip in watched} == {False, True} else {}
    print(json.dumps({"clips": len(learnt), "looked at": len(watched)} | report, indent=1), flush=True)
    checkpoint(network, {"settings": asdict(settings), "val": report}).save(arguments.output)


if __name__ == "__main__":
    main()
