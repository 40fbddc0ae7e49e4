"""Training: it learns, resumes where it stopped, and leaves a checkpoint that serves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from outofsync.checkpoints.store import Checkpoint
from outofsync.deblur.restorer import Restorer
from training.deblur import DeblurTrainer, DeblurTraining, RunFolder, restoration_loss, train
from training.sharp_frames import PairedFolders

SETTINGS = DeblurTraining(steps=4, batch=2, side=32, every=2)
SHARP = np.random.default_rng(0).integers(60, 200, (10, 10, 3), dtype=np.uint8).repeat(4, 0).repeat(4, 1)
PAIRS = [((SHARP - 30).astype(np.uint8), SHARP)]


@pytest.fixture
def trainer() -> DeblurTrainer:
    return DeblurTrainer(SETTINGS, PairedFolders(PAIRS), "cpu")


def test_the_loss_falls(trainer: DeblurTrainer) -> None:
    losses = [trainer.train_step() for _ in range(25)]
    assert np.mean(losses[-5:]) < 0.9 * np.mean(losses[:5])


def test_a_resumed_run_goes_on_unchanged(trainer: DeblurTrainer, tmp_path: Path) -> None:
    trainer.train_step()
    trainer.save(tmp_path / "last.pt")
    resumed = DeblurTrainer(SETTINGS, PairedFolders(PAIRS), "cpu")
    resumed.resume(tmp_path / "last.pt")
    assert resumed.train_step() == trainer.train_step()
    for mine, theirs in zip(resumed.average.parameters(), trainer.average.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_a_run_leaves_a_checkpoint_curves_and_samples(trainer: DeblurTrainer, tmp_path: Path) -> None:
    train(trainer, SETTINGS, PAIRS, RunFolder(tmp_path), {"data": "tiles"})
    best = Checkpoint.load(tmp_path / "best.safetensors", kind="deblur")
    restorer = Restorer.from_checkpoint(best)
    assert best.about["data"] == "tiles"
    assert restorer.restore(SHARP[None]).shape == (1, 40, 40, 3)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"best.safetensors", "last.pt", "log.jsonl", "loss.png", "samples.png"}
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 2


def test_the_distance_of_spectra_adds_to_the_loss() -> None:
    sharp = torch.rand(2, 3, 16, 16)
    blurred = (sharp + sharp.roll(1, -1)) / 2
    plain = restoration_loss(blurred, sharp, 0.0)
    assert restoration_loss(sharp, sharp, 0.5) == 0
    assert restoration_loss(blurred, sharp, 0.5) > plain > 0
