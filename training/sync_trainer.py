"""One run of the synchronisation network: what decides it, its state, and one step after another."""

from __future__ import annotations

import copy
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

from outofsync.checkpoints.store import Checkpoint
from outofsync.synchrony.embedding import EmbeddingConfig, EmbeddingNetwork
from outofsync.synchrony.embedding.inputs import level, normalise_pictures
from training.augment import WarpedMelTrack, add_noise, augment_mel, photometric, random_affine
from training.clips import Footage, Sampler, TalkingFace
from training.contrastive import Pairs, clip_loss, delay_loss, frame_loss
from training.distributed import ProcessGroup
from training.run_state import ResumableRun
from training.schedule import OneCycle

TIMED_WARMUP = 0.05  # of a run that is measured in minutes, the share in which the rate rises
MARGIN = 10  # frames that a clip must last beyond a span, so that picture and sound can be cut apart


@dataclass(frozen=True)
class SyncTraining:
    """Everything that decides a run but the data."""

    steps: int = 1500
    minutes: float | None = None  # after which a run ends, however many steps are left
    first_phase: int = 100  # steps in which only the sounds of other clips are negatives
    batch: int = 32  # clips of the shortest spans in a step; of longer ones as many as make the same frames
    frames: tuple[int, ...] = (18, 40)  # lengths of spans, in turn: one that all clips have, one as served
    rate: float = 1.2e-3
    decay: float = 0.03
    warmup: int = 200
    average: float = 0.998  # decay of the moving average of the weights
    neighbour: float = 0.1  # share of the target that goes to each adjacent frame
    pools: tuple[int, ...] = (3, 12)  # frames on either side over which the pooled losses judge
    clip_weight: float = 0.5
    seed: int = 7
    every: int = 100  # steps between two looks at val
    patience: int = 8  # looks without a gain after which a run ends


class SyncTrainer(ResumableRun):
    """One run: state that is saved, and one step after another."""

    network: EmbeddingNetwork
    average: EmbeddingNetwork

    def __init__(
        self, settings: SyncTraining, config: EmbeddingConfig, faces: list[TalkingFace], group: ProcessGroup
    ) -> None:
        torch.manual_seed(settings.seed)
        self._settings, self.group = settings, group
        self._device = group.device
        longest = max((len(face) for face in faces), default=0) - MARGIN
        lengths = [frames for frames in settings.frames if frames <= longest]
        if not lengths:
            raise ValueError(f"no clip lasts {min(settings.frames) + MARGIN} frames")
        footage, seed = Footage(faces, self._device), settings.seed + group.rank
        self._samplers = [
            (
                Sampler(footage, frames=frames, seed=seed, shortest=frames + MARGIN),
                settings.batch * min(settings.frames) // frames,
            )
            for frames in lengths
        ]
        self.network = EmbeddingNetwork(config).to(self._device)
        self.average = copy.deepcopy(self.network).eval()
        self._shared = group.wrap(self.network)
        torch.manual_seed(settings.seed + group.rank)  # of augmentation
        self._mel = WarpedMelTrack().to(self._device)
        decayed = [p for p in self.network.parameters() if p.ndim > 1]
        plain = [p for p in self.network.parameters() if p.ndim <= 1]
        self._optimiser = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": settings.decay}, {"params": plain, "weight_decay": 0.0}],
            lr=settings.rate,
            betas=(0.9, 0.98),
        )
        self._schedule = OneCycle(
            self._optimiser,
            settings.rate,
            steps=settings.steps,
            warmup=TIMED_WARMUP if settings.minutes else min(0.3, settings.warmup / settings.steps),
            minutes=settings.minutes,
        )
        self.step = 0
        self.best = -1.0

    def _random_state(self) -> dict[str, Any]:
        return super()._random_state() | {"samplers": [sampler.state for sampler, _ in self._samplers]}

    def _set_random_state(self, state: dict[str, Any]) -> None:
        super()._set_random_state(state)
        for (sampler, _), drawn in zip(self._samplers, state["samplers"], strict=True):
            sampler.state = drawn

    def train_step(self) -> dict[str, float]:
        """One batch; returns the parts of the loss."""
        settings = self._settings
        sampler, clips = self._samplers[self.step % len(self._samplers)]
        pictures, audio, late = sampler.batch(clips)
        with torch.no_grad():
            size = self.network.config.picture
            pictures = normalise_pictures(photometric(random_affine(pictures.float(), size)))
            mel = augment_mel(self._mel(add_noise(level(audio))))
        self._shared.train()
        with torch.autocast(torch.device(self._device).type, torch.bfloat16):
            visual, sound = self._shared(pictures, mel)
        visual, sound = visual.float(), sound.float()
        scale = self.network.log_scale.exp().clamp(max=100.0)
        pairs = Pairs.of(visual, sound, late)
        parts = {"clip": settings.clip_weight * clip_loss(visual, sound, pairs, scale)}
        if self.step >= settings.first_phase:
            parts["frame"] = frame_loss(pairs, scale, settings.neighbour)
            for reach in settings.pools:
                parts[f"delay{reach}"] = delay_loss(pairs, scale, reach)
        loss = torch.stack(list(parts.values())).sum()
        self._optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self.network.parameters(), 2.0)
        self._optimiser.step()
        self._schedule.step()
        self.step += 1
        self._update_average(self._settings.average)
        return dict(zip(parts, torch.stack([part.detach() for part in parts.values()]).tolist(), strict=True))

    @property
    def over(self) -> bool:
        """Whether the steps are done or the time is up."""
        return self.progress >= 1

    def start_from(self, checkpoint: Checkpoint) -> None:
        """Begin with the weights of an earlier run; what that had not, changes nothing at first."""
        tensors = self.network.state_dict()
        for name in tensors.keys() - checkpoint.tensors.keys():
            if ".mix." in name:  # the last layer of a temporal block
                tensors[name] = torch.zeros_like(tensors[name])
        tensors |= checkpoint.tensors
        self.network.load_state_dict(tensors)
        self.average.load_state_dict(tensors)

    def checkpoint(self, about: dict[str, object]) -> Checkpoint:
        """The averaged network, ready to be served."""
        config = asdict(self.network.config)
        return Checkpoint("sync", "embedding", config, dict(self.average.state_dict()), about=about).halved()
