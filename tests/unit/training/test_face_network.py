"""Stretches are balanced and whole, and both ways of looking learn, are averaged and written."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from outofsync.appearance.network import FaceConfig, FaceNetwork, movement
from outofsync.checkpoints.store import Checkpoint
from outofsync.synchrony.embedding import EmbeddingConfig, EmbeddingNetwork
from outofsync.synchrony.embedding.inputs import normalise_pictures
from training.face_detail import DetailTrainer, DetailTraining
from training.face_network import FaceTrainer, NetworkTraining
from training.face_run import LEARNT, Trainer, train
from training.face_stretches import SPAN, Batches, FaceInMemory, Pairs, Stretches, filmed_at, stretch_of


def face(number: int, label: str, frames: int = 44) -> FaceInMemory:
    """Genuine faces shimmer; made ones hold still."""
    random = np.random.default_rng(number)
    base = random.integers(40, 200, (18, 18, 3)).repeat(8, 0).repeat(8, 1)
    noise = random.normal(0, 25 if label == "real" else 0, (frames, 144, 144, 3))
    crops = np.clip(base + noise, 0, 255).astype(np.uint8)
    made = {"generator": "" if label == "real" else "one", "source": "here"}
    return FaceInMemory(
        crops,
        np.linspace(0, 1, frames, dtype=np.float32),
        {"file": f"{number}.mp4", "label": label, "identity": str(number), "split": "train"} | made,
    )


def faces() -> list[FaceInMemory]:
    return [*[face(n, "real") for n in range(4)], *[face(10 + n, "fake", 30 + n) for n in range(3)]]


@pytest.fixture
def front(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    tensors = EmbeddingNetwork(EmbeddingConfig()).state_dict()
    Checkpoint("sync", "embedding", {}, tensors).save(tmp_path / "sync.safetensors")
    return tmp_path / "sync.safetensors"


@pytest.mark.slow
def test_stretches_are_whole_and_genuine_as_often_as_false() -> None:
    stretches = Stretches(faces(), seed=1)
    drawn = [stretches[number] for number in range(40)]
    truth = torch.stack([false for _, _, false in drawn])
    assert 0.25 < truth.mean() < 0.75
    for views, looks, _ in drawn:
        assert views.shape == (2, SPAN, 64, 64)
        assert looks.shape == (4, 2, 3, 144, 144)
        assert views.dtype == looks.dtype == torch.uint8


def test_without_generated_clips_pseudo_fakes_are_what_is_false() -> None:
    stretches = Stretches([face(n, "real") for n in range(2)], seed=1)
    assert any(stretches[number][2] for number in range(20))


def test_a_stretch_follows_from_its_number() -> None:
    drawn, again = (Stretches(faces(), seed=1)[7] for _ in range(2))
    assert all(torch.equal(one, other) for one, other in zip(drawn, again, strict=True))


@pytest.mark.parametrize("frames", [1, 2, 20, 36, 50])
def test_a_stretch_lies_within_its_clip(frames: int) -> None:
    wanted = stretch_of(frames, max(0, frames - SPAN))
    assert len(wanted) == SPAN
    assert 0 <= wanted.min() <= wanted.max() < frames
    assert np.abs(np.diff(wanted)).max() <= 1


def test_slow_cameras_repeat_frames_and_fast_ones_stay_near() -> None:
    slow, fast = filmed_at(15.0, 0.3), filmed_at(30.0, 0.3)
    assert len(np.unique(slow)) < 0.75 * SPAN
    assert np.abs(fast - np.arange(SPAN)).max() <= 1
    assert (np.diff(slow) >= 0).all()


@pytest.mark.slow
def test_a_look_at_genuine_clips_alone_tells_nothing(front: Path) -> None:
    trainer = FaceTrainer(front, NetworkTraining(), "cpu")
    assert trainer.watch([face(1, "real")]) == {}
    assert set(trainer.watch(faces()[3:5])) == {"movement", "detail"}


@pytest.mark.slow
def test_a_run_learns_and_writes_what_can_be_served(
    front: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = NetworkTraining(minutes=60, steps=6, batch=4)
    trainer = FaceTrainer(front, settings, "cpu")
    before = trainer.movement.network.state_dict()["out.weight"].clone()
    batches = Batches(Stretches(faces(), 0), settings.batch)
    train(trainer, batches, faces(), faces(), tmp_path / "run", every=1e6)
    assert '"step": 6' in capsys.readouterr().out
    assert not torch.equal(trainer.movement.network.state_dict()["out.weight"], before)

    written = Checkpoint.load(tmp_path / "run" / "networks.safetensors", kind="face")
    network = FaceNetwork(FaceConfig()).eval()
    network.load_state_dict(written.tensors)
    views = Stretches(faces(), 3)[0][0][None]
    with torch.no_grad():
        vectors = torch.stack(
            [network.front(view) for view in normalise_pictures(views.float()).unbind(1)], 1
        )
        served = network.movement(movement(vectors, network.config.lags))
        torch.testing.assert_close(served, trainer.movement.average(views), rtol=0.02, atol=0.02)


@pytest.mark.slow
def test_detail_goes_on_from_a_checkpoint_and_leaves_the_rest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(1)
    begun = Checkpoint("face", "movement", {}, FaceNetwork(FaceConfig()).state_dict()).halved()
    begun.save(tmp_path / "begun.safetensors")
    settings = DetailTraining(minutes=60, steps=3, batch=4)
    trainer = DetailTrainer(tmp_path / "begun.safetensors", settings, "cpu")
    batches = Batches(Pairs(Stretches(faces(), 0)), settings.batch)
    looks, truth = next(batches.after(0))
    assert looks.shape == (4, 4, 2, 3, 144, 144)
    assert truth.shape == (4,)
    train(trainer, batches, faces(), faces(), tmp_path / "run", every=1e6)
    assert '"step": 3' in capsys.readouterr().out

    written = Checkpoint.load(tmp_path / "run" / "networks.safetensors", kind="face")
    changed = {
        name for name, tensor in written.tensors.items() if not torch.equal(tensor, begun.tensors[name])
    }
    assert changed
    assert {name.split(".")[0] for name in changed} == {"detail"}


class StoppedError(Exception):
    """Somebody needed the machine."""


class Stopping(Batches[Any]):
    """They end in the middle of a run."""

    def after(self, step: int) -> Iterator[Any]:
        yield from islice(super().after(step), 2)
        raise StoppedError


@pytest.mark.slow
@pytest.mark.parametrize("way", ["both", "detail"])
def test_an_interrupted_run_ends_as_if_it_had_not_been(front: Path, tmp_path: Path, way: str) -> None:
    """Seen every step, stopped after the second; bit for bit."""
    if way == "detail":
        torch.manual_seed(1)
        begun = tmp_path / "begun.safetensors"
        Checkpoint("face", "movement", {}, FaceNetwork(FaceConfig()).state_dict()).halved().save(begun)

    def trainer() -> Trainer[Any]:
        if way == "detail":
            return DetailTrainer(begun, DetailTraining(minutes=60, steps=3, batch=2), "cpu")
        return FaceTrainer(front, NetworkTraining(minutes=60, steps=3, batch=2), "cpu")

    drawn: Any = Stretches(faces(), 0)
    drawn = Pairs(drawn) if way == "detail" else drawn
    everybody = faces()[3:5]
    train(trainer(), Batches(drawn, 2), everybody, everybody, tmp_path / "whole", every=0)
    with pytest.raises(StoppedError):
        train(trainer(), Stopping(drawn, 2), everybody, everybody, tmp_path / "parts", every=0)
    torch.manual_seed(99)  # another process
    train(trainer(), Batches(drawn, 2), everybody, everybody, tmp_path / "parts", every=0)
    whole, parts = (Checkpoint.load(tmp_path / name / LEARNT) for name in ("whole", "parts"))
    assert all(torch.equal(tensor, parts.tensors[name]) for name, tensor in whole.tensors.items())
    assert whole.about == parts.about
