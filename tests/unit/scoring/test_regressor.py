"""The regressors look back only."""

from __future__ import annotations

import torch

from outofsync.scoring.regressor import CHANNELS, STEPS, Norm, Regressor


def test_a_step_depends_on_no_later_step() -> None:
    torch.manual_seed(0)
    regressor = Regressor().eval()
    sequence = torch.randn(1, STEPS, CHANNELS)
    changed = sequence.clone()
    changed[:, 20:] += 1
    before, after = regressor(sequence), regressor(changed)
    torch.testing.assert_close(before[:, :20], after[:, :20])
    assert (before[:, 20] != after[:, 20]).any()


def test_a_step_depends_on_every_earlier_step() -> None:
    torch.manual_seed(0)
    sequence = torch.randn(1, STEPS, CHANNELS, requires_grad=True)
    Regressor()(sequence)[0, -1].sum().backward()
    assert sequence.grad is not None
    assert bool((sequence.grad.abs().amax(-1) > 0).all())


def test_the_norm_divides_by_the_unbiased_deviation() -> None:
    row = torch.arange(256.0)
    expected = (row - row.mean()) / (row.numpy().std(ddof=1) + 1e-6)
    torch.testing.assert_close(Norm()(row), expected)
