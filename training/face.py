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
import torch.nn.functional as F
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from outofsync.appearance.network import FaceConfig, FaceNetwork, TextureHead, ViewHead
from outofsync.appearance.schedule import SEEN
from outofsync.checkpoints.store import Checkpoint
from training.clips import prepared
from training.face_clips import DEGRADED, PSEUDO, RAW, FaceClip, features_of, front_of

WEIGHTS = {"mouth": 0.5, "whole": 1.0, "texture": 1.0}  # of each way of looking; chosen on val
EVENNESS = 0.6  # a source's share of the draws is its share of the clips to the power of (1 − evenness)
DUB = "McGurk"  # in the name of what put another voice to a real picture: no face was made


@dataclass(frozen=True)
class FaceTraining:
    """Everything that decides a fit but the data."""

    steps: int = 300
    batch: int = 64
    rate: float = 1e-3
    decay: float = 0.05
    pseudo_views: float = 0.25  # share of pseudo-fakes among what is false, for the views …
    pseudo_texture: float = 0.1  # … and for the texture
    strength: float = 0.001  # inverse of the penalty on the texture's weights
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


def windows_of(vectors: NDArray[np.float16], random: np.random.Generator, length: int = SEEN) -> Tensor:
    """A random stretch of (frames, 256), float32; a shorter one goes back the way it came."""
    if len(vectors) < length:
        vectors = np.pad(vectors, ((0, length - len(vectors)), (0, 0)), "reflect")
    start = int(random.integers(len(vectors) - length + 1))
    return torch.from_numpy(vectors[start : start + length].astype(np.float32))


def fit_head(head: ViewHead, clips: Sequence[FaceClip], view: int, settings: FaceTraining, seed: int) -> None:
    """Teach one head of one view."""
    every = np.concatenate([clip.vectors[view] for clip in clips if clip.variant == RAW]).astype(np.float32)
    head.mean.copy_(torch.from_numpy(every.mean(0)))
    head.spread.copy_(torch.from_numpy(every.std(0) + 1e-3))
    random = np.random.default_rng(seed)
    weights = shares(clips, settings.pseudo_views)
    false = np.array([clip.false for clip in clips])
    optimiser = torch.optim.AdamW(head.parameters(), settings.rate, weight_decay=settings.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, settings.rate, settings.steps)
    truth = torch.arange(settings.batch) >= settings.batch // 2
    head.train()
    for _ in range(settings.steps):
        drawn = [
            random.choice(np.flatnonzero(rows), settings.batch // 2, p=weights[rows] / weights[rows].sum())
            for rows in (~false, false)
        ]
        seen = torch.stack([windows_of(clips[row].vectors[view], random) for row in np.concatenate(drawn)])
        loss = F.binary_cross_entropy_with_logits(head(seen), truth.float())
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimiser.step()
        schedule.step()
    head.eval()


def fit_texture(head: TextureHead, clips: Sequence[FaceClip], settings: FaceTraining) -> None:
    """A logistic regression on every stretch; those of one clip share its weight."""
    counts = [len(clip.numbers) for clip in clips]
    weights = np.repeat(shares(clips, settings.pseudo_texture) / counts, counts) * sum(counts) / 2
    truth = np.repeat([clip.false for clip in clips], counts)
    scaler = StandardScaler().fit(np.concatenate([clip.numbers for clip in clips]))
    values = scaler.transform(np.concatenate([clip.numbers for clip in clips]))
    model = LogisticRegression(C=settings.strength, max_iter=500).fit(values, truth, sample_weight=weights)
    with torch.no_grad():
        head.mean.copy_(torch.from_numpy(scaler.mean_))
        head.spread.copy_(torch.from_numpy(scaler.scale_))
        head.out.weight.copy_(torch.from_numpy(model.coef_))
        head.out.bias.copy_(torch.from_numpy(model.intercept_))


def fit(
    network: FaceNetwork, clips: Sequence[FaceClip], unseen: Sequence[FaceClip], settings: FaceTraining
) -> None:
    """Teach every head and the texture; what they say of ``unseen`` clips brings them to one scale."""
    for view, copies in enumerate(network.heads):
        assert isinstance(copies, nn.ModuleList)
        for number, head in enumerate(copies):
            assert isinstance(head, ViewHead)
            fit_head(head, clips, view, settings, settings.seed + 10 * view + number)
    fit_texture(network.texture, clips, settings)
    said = np.stack([apart(network, clip) for clip in unseen])
    weights = np.array([WEIGHTS[way] for way in (*network.config.views, "texture")], np.float32)
    network.scale.copy_(torch.from_numpy(said.std(0) / weights))


@torch.inference_mode()
def apart(network: FaceNetwork, clip: FaceClip) -> NDArray[np.float32]:
    """What each way of looking says of a clip: (views + 1,)."""
    random = np.random.default_rng(0)
    length = clip.vectors.shape[1]
    starts = range(0, max(1, length - SEEN + 1), SEEN // 2)
    views = []
    for view, vectors in enumerate(clip.vectors):
        stretches = torch.stack([windows_of(vectors[start : start + SEEN], random) for start in starts])
        views.append(float(network.view(view, stretches).mean()))
    texture = float(network.texture(torch.from_numpy(clip.numbers)).mean())
    return np.array([*views, texture], np.float32)


def auc(values: dict[str, float], clips: Sequence[FaceClip]) -> float:
    """Of generated against genuine clips, every person alike."""
    people = Counter((clip.label, clip.identity or clip.file) for clip in clips)
    weights = [1 / people[clip.label, clip.identity or clip.file] for clip in clips]
    truth = [clip.label != "real" for clip in clips]
    return round(float(roc_auc_score(truth, [values[clip.file] for clip in clips], sample_weight=weights)), 3)


def look(network: FaceNetwork, clips: Sequence[FaceClip]) -> dict[str, float]:
    """AUC over all generators of some clips: of each way of looking, of all together, and by generator."""
    found = {clip.file: apart(network, clip) / network.scale.numpy() for clip in clips}
    ways = [*network.config.views, "texture"]
    report = {
        way: auc({file: float(values[number]) for file, values in found.items()}, clips)
        for number, way in enumerate(ways)
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
        network = FaceNetwork(FaceConfig(copies=2)).eval()
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
    return Checkpoint("face", "views", asdict(network.config), network.state_dict(), about=about).halved()


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
    torch.manual_seed(settings.seed)
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
