"""Fit the projection and both regressors on genuine speech, and the calibration on val.

    python -m training.regressors --clips .cache/clips --sync checkpoints/sync.safetensors \\
        --face checkpoints/face.safetensors --output checkpoints/scoring.safetensors
    python -m training.regressors --regressors checkpoints/scoring.safetensors --output runs/again.safetensors

With ``--regressors`` those of that checkpoint are kept, as are its rules of when a verdict is withheld, and
the calibration alone is fitted. Otherwise they learn from clips that were held out of the synchronisation
network's training: on clips it has learnt, the network is surer than it will ever be again, and every new
video would look unusual.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from outofsync.checkpoints.store import Checkpoint
from outofsync.constants import MAX_WINDOWS
from outofsync.scoring.offset import tolerated_offset
from outofsync.scoring.regressor import CHANNELS, Regressor
from outofsync.synchrony.interface import SyncInput, SyncNetwork, SyncOutput
from outofsync.synchrony.registry import load_sync
from training.calibration import calibrate, fit_abstention
from training.cases import Networks, cases_of
from training.clips import PreparedClip, held_out, prepared


@dataclass(frozen=True)
class RegressorTraining:
    """Everything that decides a fit but the data."""

    steps: int = 600
    batch: int = 32
    rate: float = 5e-4
    decay: float = 0.05
    # Share of sequences shown a false past. A regressor that trusts whatever it saw foretells a manipulated
    # video as well as a genuine one; this one must know by heart how genuine speech goes.
    mislead: float = 0.7
    noise: float = 0.1  # of the inputs' own spread
    seed: int = 11


def outputs_of(network: SyncNetwork, clips: Iterable[PreparedClip]) -> list[SyncOutput]:
    """The network's delays and features for each clip, read from the clip's own offset as in service."""
    outputs = []
    for clip in clips:
        frames, audio = clip.read()
        outputs += network.evaluate([SyncInput(frames, audio)])
    long_enough = [output for output in outputs if len(output.delays) >= 2]
    return [output.aligned(tolerated_offset(output.delays)) for output in long_enough]


def fit_projection(features: NDArray[np.floating]) -> dict[str, Tensor]:
    """Standardise (windows, size) and keep 31 principal components, as the published pipeline does."""
    scaler = StandardScaler().fit(features)
    pca = PCA(CHANNELS, random_state=0).fit(scaler.transform(features))
    arrays = {
        "mean": scaler.mean_,
        "scale": scaler.scale_,
        "centre": pca.mean_,
        "components": pca.components_,
    }
    return {name: torch.from_numpy(np.asarray(array, np.float64)) for name, array in arrays.items()}


class Sequences:
    """Random segments of many tracks, zero-padded, with their lengths."""

    def __init__(self, tracks: Sequence[NDArray[np.floating]], seed: int) -> None:
        self._tracks = [torch.from_numpy(np.asarray(track, np.float32)) for track in tracks]
        self._random = np.random.default_rng(seed)
        lengths = np.array([len(track) for track in tracks], float)
        self._weights = lengths / lengths.sum()

    def batch(self, size: int) -> tuple[Tensor, Tensor]:
        """(size, 50, 31) and a mask (size, 49) of the real steps."""
        sequences = torch.zeros(size, MAX_WINDOWS, CHANNELS)
        mask = torch.zeros(size, MAX_WINDOWS - 1, dtype=torch.bool)
        for row, index in enumerate(self._random.choice(len(self._tracks), size, p=self._weights)):
            track = self._tracks[index]
            start = int(self._random.integers(max(1, len(track) - MAX_WINDOWS + 1)))
            part = track[start : start + MAX_WINDOWS]
            sequences[row, : len(part)] = part
            mask[row, : len(part) - 1] = True
        return sequences, mask


def delay_losses(output: Tensor, target: Tensor) -> Tensor:
    """KL(softmax(target) ‖ softmax(output)) of each step: (batch, steps, 31) twice → (batch, steps)."""
    return F.kl_div(output.log_softmax(-1), target.log_softmax(-1), reduction="none", log_target=True).sum(-1)


def feature_losses(output: Tensor, target: Tensor) -> Tensor:
    """Squared error of each step: (batch, steps, 31) twice → (batch, steps)."""
    return (output - target).square().sum(-1)


def fit_regressor(
    tracks: Sequence[NDArray[np.floating]],
    settings: RegressorTraining,
    *,
    features: bool,
) -> Regressor:
    """Train one regressor to foretell the next window of genuine speech, from tracks (windows, 31)."""
    torch.manual_seed(settings.seed)
    losses = feature_losses if features else delay_losses
    sequences = Sequences(tracks, settings.seed)
    regressor = Regressor().train()
    for name, weights in regressor.named_parameters():
        if weights.ndim > 1 and "null" not in name and "pos" not in name:
            nn.init.xavier_uniform_(weights)
    optimiser = torch.optim.AdamW(regressor.parameters(), settings.rate, weight_decay=settings.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, settings.rate, settings.steps)
    for step in range(settings.steps):
        sequence, mask = sequences.batch(settings.batch)
        if features:
            sequence = F.normalize(sequence, dim=-1)
        output = regressor(corrupted(sequence[:, :-1], settings, features=features))
        loss = losses(output, sequence[:, 1:])[mask].mean()
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(regressor.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        if (step + 1) % 250 == 0:
            name = "feature" if features else "delay"
            print(f"{name} regressor, step {step + 1}: {loss.item():.4f}", flush=True)
    return regressor.eval()


def corrupted(past: Tensor, settings: RegressorTraining, *, features: bool) -> Tensor:
    """Inputs (batch, steps, 31) with a little noise, and some with a false past.

    A false past of delays peaks elsewhere and less clearly; one of features belongs to another track.
    """
    batch, _, channels = past.shape
    if features:
        false = past.roll(1, 0)
    else:
        shift = torch.randint(channels, (batch, 1, 1))
        rolled = past.gather(2, (torch.arange(channels) + shift).remainder(channels).expand_as(past))
        mean = past.mean(2, keepdim=True)
        false = mean + (rolled - mean) * torch.rand(batch, 1, 1)
    past = torch.where(torch.rand(batch, 1, 1) < settings.mislead, false, past)
    return past + settings.noise * past.std() * torch.randn_like(past)


def fit_scoring(outputs: list[SyncOutput], settings: RegressorTraining) -> Checkpoint:
    """Projection and regressors of genuine tracks, not yet calibrated."""
    projection = fit_projection(np.concatenate([output.features for output in outputs]))
    projected = [project(output.features, projection) for output in outputs]
    delay = fit_regressor([output.delays for output in outputs], settings, features=False)
    feature = fit_regressor(projected, settings, features=True)
    tensors = {
        **{f"delay.{name}": tensor for name, tensor in delay.state_dict().items()},
        **{f"feature.{name}": tensor for name, tensor in feature.state_dict().items()},
        **{f"projection.{name}": tensor for name, tensor in projection.items()},
    }
    return Checkpoint("scoring", "published", {"lam": 0.0, "calibration": None}, tensors)


def project(features: NDArray[np.floating], projection: dict[str, Tensor]) -> NDArray[np.float64]:
    """(windows, size) → (windows, 31)."""
    mean, scale, centre, components = (
        projection[name].numpy() for name in ("mean", "scale", "centre", "components")
    )
    projected: NDArray[np.float64] = ((features - mean) / scale - centre) @ components.T
    return projected


def fitted(sync: Path, clips: Path, settings: RegressorTraining) -> Checkpoint:
    """Projection and regressors of genuine clips that a synchronisation network has not learnt."""
    network = load_sync(Checkpoint.load(sync, kind="sync"))
    genuine = [clip for clip in prepared(clips, split="train") if held_out(clip)]
    outputs = outputs_of(network, genuine)
    windows = sum(len(output.delays) for output in outputs)
    print(f"{len(outputs)} genuine tracks, {windows} windows", flush=True)
    return fit_scoring(outputs, settings)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--clips", type=Path, default=Path(".cache/clips"), help="what training.prepare wrote"
    )
    parser.add_argument("--sync", type=Path, default=Path("checkpoints/sync.safetensors"))
    parser.add_argument("--face", type=Path, default=Path("checkpoints/face.safetensors"))
    parser.add_argument("--output", type=Path, default=Path("checkpoints/scoring.safetensors"))
    parser.add_argument("--workers", type=int, default=2, help="processes that make the calibration's cases")
    parser.add_argument("--steps", type=int, default=RegressorTraining.steps)
    parser.add_argument("--regressors", type=Path, help="a scoring checkpoint whose regressors are kept")
    arguments = parser.parse_args()
    if arguments.regressors is None:
        checkpoint = fitted(arguments.sync, arguments.clips, RegressorTraining(steps=arguments.steps))
    else:
        checkpoint = Checkpoint.load(arguments.regressors, kind="scoring")

    checkpoint.save(arguments.output)  # what the cases are made with, whatever its calibration
    networks = Networks(arguments.sync, arguments.output, arguments.face if arguments.face.exists() else None)
    cases = cases_of(networks, arguments.clips, workers=arguments.workers)
    rules = checkpoint.config.get("abstention") or fit_abstention(cases).to_dict()
    config = {"lam": 0.0, "calibration": calibrate(cases).to_dict(), "abstention": rules}
    replace(checkpoint, config=config).save(arguments.output)
    print(f"{arguments.output} written; calibrated on {len(cases)} spans of val", flush=True)


if __name__ == "__main__":
    main()
