"""Training: it learns, ends in time, resumes where it stopped, and leaves a checkpoint that serves."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from outofsync.checkpoints.store import Checkpoint
from outofsync.deblur.residual import ResidualUNet
from outofsync.deblur.restorer import Restorer
from outofsync.frames import JpegFrames
from training.blur import BlurSettings
from training.deblur import DeblurTrainer, DeblurTraining, begun, fidelity_loss, main, settle, train
from training.frame_pack import PackedFrame, write_pack
from training.pairs import BlurredFrames, PairedFolders
from training.restoration import RunFolder

CPU = torch.device("cpu")
WIDTHS = (4, 6, 8, 10)
SETTINGS = DeblurTraining(steps=4, batch=4, cut=32, look=0.0)
COLOURS = np.random.default_rng(0).integers(40, 210, (8, 8, 3), dtype=np.uint8)
PICTURE = np.asarray(cv2.resize(COLOURS, (64, 64), interpolation=cv2.INTER_CUBIC), np.uint8)
FRAMES = [PackedFrame(JpegFrames.encode(picture), "a", "train") for picture in (PICTURE, 255 - PICTURE)]
PAIRS = [(np.asarray(cv2.blur(PICTURE, (5, 5)), np.uint8), PICTURE)]


def begin(settings: DeblurTraining = SETTINGS, device: torch.device = CPU) -> DeblurTrainer:
    torch.manual_seed(0)
    source = BlurredFrames(FRAMES, BlurSettings(), device, batch=settings.batch, cut=32, seed=1, kernels=40)
    return DeblurTrainer(ResidualUNet(widths=WIDTHS), settings, source, device)


@pytest.mark.slow
def test_the_loss_falls() -> None:
    torch.manual_seed(0)
    source = PairedFolders(PAIRS, CPU, batch=2, cut=64, seed=1)
    trainer = DeblurTrainer(ResidualUNet(widths=WIDTHS), replace(SETTINGS, steps=400), source, CPU)
    losses = [float(trainer.train_step()) for _ in range(60)]
    assert losses[-1] < losses[0] - 0.1


def test_the_loss_is_psnr_but_for_its_sign_and_unit() -> None:
    sharp = torch.rand(2, 3, 8, 8)
    errors = torch.tensor([0.1, 0.2])[:, None, None, None]
    expected = np.mean([np.log(0.1**2 + 1e-5), np.log(0.2**2 + 1e-5)])
    assert float(fidelity_loss(sharp + errors, sharp)) == pytest.approx(expected, rel=1e-4)


def test_a_resumed_run_is_the_one_that_nobody_stopped(tmp_path: Path) -> None:
    settings = replace(SETTINGS, steps=8, settled=0.5)  # norms settle after the interruption
    whole, stopped = begin(settings), begin(settings)
    losses = [float(whole.train_step()) for _ in range(8)]
    before = [float(stopped.train_step()) for _ in range(3)]
    stopped.judge(1.5)
    stopped.save(tmp_path / "last.pt")
    resumed = begin(settings)
    resumed.resume(tmp_path / "last.pt")
    assert resumed.progress == 3 / 8
    assert not resumed.judge(1.4)
    assert before + [float(resumed.train_step()) for _ in range(5)] == losses
    for mine, theirs in ((resumed.network, whole.network), (resumed.average, whole.average)):
        values = theirs.state_dict()
        assert all(torch.equal(value, values[name]) for name, value in mine.state_dict().items())


def test_a_run_may_be_given_more_steps(tmp_path: Path) -> None:
    trainer = begin()
    for _ in range(4):
        trainer.train_step()
    trainer.save(tmp_path / "last.pt")
    longer = begin(replace(SETTINGS, steps=8))
    longer.resume(tmp_path / "last.pt")
    assert (trainer.progress, longer.progress) == (1, 0.5)
    assert np.isfinite(float(longer.train_step()))


@pytest.mark.parametrize("name", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
@pytest.mark.parametrize(
    ("settings", "steps"), [(SETTINGS, 4), (replace(SETTINGS, steps=900, minutes=1e-9, look=60.0), 2)]
)
@pytest.mark.slow
def test_a_run_ends_in_time_and_leaves_what_serves(
    settings: DeblurTraining, steps: int, name: str, tmp_path: Path
) -> None:
    device = torch.device(name)
    trainer = begin(settings, device)
    train(trainer, settings, PAIRS, RunFolder(tmp_path), {"data": "tiles"}, device)
    assert trainer.step == steps
    best = Checkpoint.load(tmp_path / "best.safetensors", kind="deblur")
    assert best.about["data"] == "tiles"
    assert best.config["widths"] == list(WIDTHS)
    assert Restorer.from_checkpoint(best).restore(PICTURE[None]).shape == (1, 64, 64, 3)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"best.safetensors", "last.pt", "log.jsonl", "loss.png", "samples.png"}
    entries = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in entries] == ([1, 2, 3, 4] if steps == 4 else [2])


def test_settled_norms_keep_their_statistics() -> None:
    trainer = begin(replace(SETTINGS, settled=0.0))
    trainer.train_step()
    kept = [value.clone() for name, value in trainer.network.named_buffers() if "running" in name]
    trainer.train_step()
    after = [value for name, value in trainer.network.named_buffers() if "running" in name]
    assert all(torch.equal(one, other) for one, other in zip(kept, after, strict=True))
    network = ResidualUNet(widths=WIDTHS).train()
    settle(network)
    assert network.training
    assert not any(
        module.training for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)
    )


def test_a_run_begins_with_earlier_weights_of_any_widths(tmp_path: Path) -> None:
    earlier = begin().checkpoint({})
    earlier.save(tmp_path / "earlier.safetensors")
    network = begun(tmp_path / "earlier.safetensors", (8, 8, 8, 8))
    assert network.widths == WIDTHS
    for name, value in network.state_dict().items():
        assert torch.equal(value, earlier.tensors[name])


def test_the_command_trains_from_a_pack_and_from_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pack(tmp_path / "pack.safetensors", [*FRAMES, replace(FRAMES[0], split="val")])
    for name, picture in (("blurred", cv2.blur(PICTURE, (5, 5))), ("sharp", PICTURE)):
        (tmp_path / name).mkdir()
        for number in range(2):
            cv2.imwrite(str(tmp_path / name / f"{number}.png"), picture)
    sources = {
        "packed": ["--pack", str(tmp_path / "pack.safetensors")],
        "paired": ["--blurred", str(tmp_path / "blurred"), "--sharp", str(tmp_path / "sharp")],
    }
    short = ["--steps", "1", "--batch", "2", "--widths", *map(str, WIDTHS), "--device", "cpu"]
    for run, options in sources.items():
        monkeypatch.setattr(
            sys, "argv", ["deblur", *options, *short, "--threads", "1", "--run-dir", str(tmp_path / run)]
        )
        main()
        best = Checkpoint.load(tmp_path / run / "best.safetensors", kind="deblur")
        assert best.config["widths"] == list(WIDTHS)


@pytest.mark.slow
def test_it_needs_neither_what_reads_videos_nor_what_draws_curves() -> None:
    lacking = "sys.modules.update(dict.fromkeys(('av', 'skimage', 'matplotlib', 'torchaudio')))"
    code = f"import sys; {lacking}; import training.deblur"
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ".:handlers"})
