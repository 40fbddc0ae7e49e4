"""The contrastive losses, and a run that learns, stops and goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from outofsync.synchrony.embedding import EmbeddingConfig
from training.clips import Footage, Sampler, TalkingFace
from training.contrastive import Pairs, clip_loss, delay_loss, frame_loss
from training.distributed import ProcessGroup
from training.offsets import best_delay, fit, hear, offset_report, peak_delay
from training.sync import RunFolder, train
from training.sync_trainer import SyncTrainer, SyncTraining

SETTINGS = SyncTraining(steps=40, first_phase=1, frames=(22,), batch=3, warmup=5)
SMALL = EmbeddingConfig(width=16, embedding=8, blocks=1)
SCALE = torch.tensor(20.0)


def faces(count: int, frames: int = 40) -> list[TalkingFace]:
    random = np.random.default_rng(count)
    return [
        TalkingFace(
            random.integers(0, 255, (frames, 80, 80), np.uint8),
            random.normal(0, 2000, frames * 640).astype(np.int16),
            f"{number}.mp4", "real", "", "here", str(number),
        )
        for number in range(count)
    ]  # fmt: skip


def matched(lag: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Embeddings of two clips in which picture t is the sound t + lag."""
    moments = torch.nn.functional.normalize(torch.randn(2, 60, 64), dim=-1)
    return moments[:, 15 + lag : 35 + lag], moments[:, 15:35], torch.full((2,), lag)


@pytest.mark.parametrize("lag", [-7, 0, 5])
def test_true_pairs_cost_less_than_false_ones(lag: int) -> None:
    visual, audio, lags = matched(lag)
    true, false = Pairs.of(visual, audio, lags), Pairs.of(visual, audio, lags + 3)
    assert frame_loss(true, SCALE, 0.0) < 0.1 < frame_loss(false, SCALE, 0.0)
    assert delay_loss(true, SCALE, 3) < delay_loss(false, SCALE, 3)
    assert clip_loss(visual, audio, true, SCALE) < clip_loss(visual, audio, false, SCALE)


def test_batches_cut_picture_and_sound_apart_by_the_lag() -> None:
    (face,) = faces(1)
    face.pictures[:] = np.arange(40)[:, None, None]
    face.audio[:] = np.repeat(np.arange(40), 640)
    pictures, audio, lags = Sampler(Footage([face]), frames=22, seed=1, max_pace=1.0).batch(200)
    assert pictures.shape == (200, 26, 80, 80)
    seen, heard = pictures[:, 2, 0, 0].long(), audio[:, 0].long()
    assert (seen - heard == lags).all()
    assert set(lags.tolist()) == set(range(-12, 13))


@pytest.mark.parametrize("pace", [0.9, 1.0, 1.15])
def test_a_span_sounds_the_same_whatever_lies_around_it(pace: float) -> None:
    (face,) = faces(1, frames=600)
    rows, starts = torch.zeros(3, dtype=torch.long), torch.tensor([0.0, 300.25, 590.5], dtype=torch.float64)
    found = Footage([*faces(2), face]).audio_at(rows + 2, starts, torch.full_like(starts, pace), 20)
    for start, heard in zip(starts.tolist(), found.numpy(), strict=True):
        times = (start + (1 - pace) / 2) * 640 + pace * np.arange(20 * 640)
        expected = np.interp(times, np.arange(face.audio.size), face.audio, left=0, right=0)
        np.testing.assert_allclose(heard, np.rint(expected), atol=1)


@pytest.mark.slow
def test_rare_sources_are_drawn_more_often_than_their_share() -> None:
    many = faces(20)
    many[0].source = "rare"
    many[0].audio[:] = 7
    _, audio, _ = Sampler(Footage(many), frames=22, seed=2).batch(400)
    assert 0.1 < float((audio[:, 0] == 7).float().mean()) < 0.4


def alone(settings: SyncTraining = SETTINGS) -> SyncTrainer:
    return SyncTrainer(settings, SMALL, faces(4), ProcessGroup(0, 1, "cpu"))


def same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    """Whether two networks are the same, bit for bit."""
    theirs = other.state_dict()
    return all(torch.equal(value, theirs[name]) for name, value in one.state_dict().items())


@pytest.mark.slow
def test_a_resumed_run_is_the_one_that_nobody_stopped(tmp_path: Path) -> None:
    settings = replace(SETTINGS, frames=(18, 22))  # two lengths of spans, each drawn by itself
    whole = alone(settings)
    losses = [whole.train_step() for _ in range(4)]
    assert all(np.isfinite(list(parts.values())).all() for parts in losses)
    stopped = alone(settings)
    before = [stopped.train_step() for _ in range(2)]
    stopped.save(tmp_path / "last.pt")
    torch.manual_seed(99)  # whatever else was drawn in between
    resumed = alone(settings)
    resumed.resume(tmp_path / "last.pt")
    assert before + [resumed.train_step() for _ in range(2)] == losses
    assert resumed.step == whole.step == 4
    assert same(resumed.network, whole.network)
    assert same(resumed.average, whole.average)


def test_a_run_may_be_given_more_steps(tmp_path: Path) -> None:
    first = alone(replace(SETTINGS, steps=2))
    first.train_step()
    first.train_step()
    first.save(tmp_path / "last.pt")
    assert first.over
    longer = alone(replace(SETTINGS, steps=4))
    longer.resume(tmp_path / "last.pt")
    assert (longer.progress, longer.over) == (0.5, False)
    for _ in range(2):
        assert np.isfinite(list(longer.train_step().values())).all()
    assert longer.over


class Killed(Exception):  # noqa: N818
    """What ends a process, whenever it likes."""


class Folder(RunFolder):
    """Ends the process at one of its looks."""

    def __init__(self, folder: Path, looks: int | None = None) -> None:
        super().__init__(folder)
        self.reports: list[dict[str, float]] = []
        self._looks = looks

    def report(self, entry: dict[str, float]) -> None:
        if len(self.reports) == self._looks:
            raise Killed
        self.reports.append({name: value for name, value in entry.items() if name != "minutes"})


@pytest.mark.slow
def test_patience_outlasts_an_interruption(tmp_path: Path) -> None:
    settings = replace(SETTINGS, frames=(18,), batch=2, every=1, patience=3)
    watched = faces(2, frames=24)
    whole, (first, second) = Folder(tmp_path / "whole"), (Folder(tmp_path / "two", n) for n in (2, None))
    trainer = alone(settings)
    train(trainer, settings, watched, whole, tmp_path / "whole.pt")
    assert trainer.step < settings.steps  # patience ended it
    with pytest.raises(Killed):
        train(alone(settings), settings, watched, first, tmp_path / "two.pt")
    resumed = alone(settings)
    resumed.resume(tmp_path / "two.pt")
    train(resumed, settings, watched, second, tmp_path / "two.pt")
    assert first.reports + second.reports == whole.reports
    assert (tmp_path / "two" / "best.safetensors").read_bytes() == whole.best.read_bytes()
    train(resumed, settings, watched, second, tmp_path / "two.pt")  # what has ended, has ended
    assert resumed.step == trainer.step


def test_a_state_that_lacks_what_decides_the_next_steps_is_refused(tmp_path: Path) -> None:
    trainer = alone()
    trainer.save(tmp_path / "last.pt")
    state = torch.load(tmp_path / "last.pt", weights_only=True)
    del state["random"]
    torch.save(state, tmp_path / "last.pt")
    with pytest.raises(ValueError, match="earlier version"):
        alone().resume(tmp_path / "last.pt")


def test_what_trains_can_be_served() -> None:
    assert alone().checkpoint({}).architecture == "embedding"


@pytest.mark.slow
def test_the_report_of_an_untrained_network_is_no_better_than_chance() -> None:
    network = SyncTrainer(SETTINGS, SMALL, faces(2), ProcessGroup(0, 1, "cpu")).average
    report = offset_report(network, faces(12, frames=120))
    assert report["spans"] == 24
    assert 0.1 < report["auc_swapped"] < 0.9
    assert report["shift_found"] < 0.6


def test_a_clip_is_heard_whole_in_spans_in_halves_and_with_other_sound() -> None:
    network = SyncTrainer(SETTINGS, SMALL, faces(1), ProcessGroup(0, 1, "cpu")).average
    long, short = faces(1, frames=120)[0], faces(1, frames=30)[0]
    heard = hear(network, long, short)
    assert (len(heard.spans), len(heard.swapped), heard.halves is None) == (2, 2, False)
    assert [late for late, _ in heard.shifted] == [-5, -5, 5]  # the first span has nothing before it
    assert all(curve.shape == (31,) for curve in [heard.whole, *heard.spans, *heard.swapped])
    assert hear(network, short, long).halves is None


def test_sound_fits_as_well_anywhere_in_the_broadcast_window() -> None:
    curves = [np.eye(31)[15 + late] for late in range(-3, 6)]
    assert [best_delay(curve) for curve in curves] == list(range(-3, 6))
    assert [fit(curve) for curve in curves] == [0.0, *[1.0] * 7, 0.0]


def test_a_span_played_faster_still_belongs_together() -> None:
    (face,) = faces(1)
    face.pictures[:] = (np.arange(40) * 5)[:, None, None]
    face.audio[:] = np.repeat(np.arange(40) * 5, 640)
    pictures, audio, lags = Sampler(Footage([face]), frames=20, seed=1, max_pace=1.3).batch(200)
    seen, heard = pictures[:, 2:-2, 0, 0].float(), audio[:, ::640].float()
    pace = (seen[:, -1] - seen[:, 0]) / 19 / 5
    assert pace.min() < 0.9
    assert pace.max() > 1.2
    # A picture shows 5 · time, and the sound counts up at the beginning of each frame.
    apart = (seen[:, 10] - heard[:, 10]) / 5 / pace
    assert ((apart - lags > -0.3) & (apart - lags < 1.4)).all()


def test_a_peak_between_two_delays_is_found_by_a_parabola() -> None:
    curve = -((np.arange(-15, 16) - 2.3) ** 2)
    assert peak_delay(curve) == pytest.approx(2.3)
    assert peak_delay(np.arange(31.0)) == 15


def test_spans_of_several_lengths_are_learnt_from_in_turn() -> None:
    settings = SyncTraining(steps=2, first_phase=0, frames=(18, 40, 90), batch=5, warmup=1)
    trainer = SyncTrainer(settings, SMALL, [*faces(3), *faces(2, frames=60)], ProcessGroup(0, 1, "cpu"))
    losses = [trainer.train_step() for _ in range(2)]  # nobody lasts long enough for the third
    assert all(np.isfinite(list(parts.values())).all() for parts in losses)


def test_the_first_phase_knows_only_other_clips() -> None:
    settings = SyncTraining(steps=2, first_phase=1, batch=3, warmup=1)
    trainer = SyncTrainer(settings, SMALL, faces(4), ProcessGroup(0, 1, "cpu"))
    assert set(trainer.train_step()) == {"clip"}
    assert set(trainer.train_step()) == {"clip", "frame", "delay3", "delay12"}


TOGETHER = """
import sys, torch
from pathlib import Path
from tests.unit.training.test_sync import SETTINGS, SMALL, faces, same
from training.distributed import process_group
from training.sync_trainer import SyncTrainer
with process_group("cpu") as group:
    trainer = SyncTrainer(SETTINGS, SMALL, faces(4), group)
    for _ in range(2):
        trainer.train_step()
    assert group.broadcast(group.is_main)
    torch.save(trainer.network.state_dict(), f"{sys.argv[1]}/{group.rank}.pt")
    trainer.save(Path(sys.argv[1], "last.pt"))
    trainer.train_step()
    resumed = SyncTrainer(SETTINGS, SMALL, faces(4), group)
    resumed.resume(Path(sys.argv[1], "last.pt"))
    resumed.train_step()
    assert same(resumed.network, trainer.network)
"""


@pytest.mark.slow
def test_two_processes_train_one_network(tmp_path: Path) -> None:
    script = tmp_path / "together.py"
    script.write_text(TOGETHER)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    root = Path(__file__).parents[3]
    path = os.pathsep.join(str(root / name) for name in (".", "handlers", "tests"))
    subprocess.run(
        [*command, str(script), str(tmp_path)], check=True, env=os.environ | {"PYTHONPATH": path}, timeout=300
    )
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in range(2))
    for name, weights in first.items():
        if "running" not in name:
            torch.testing.assert_close(weights, second[name])
