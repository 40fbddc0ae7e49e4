"""What the detail network is shown, and that it is shown all of it."""

from __future__ import annotations

import numpy as np
import torch

from outofsync.appearance.detail import LOOKS, DetailNetwork, looks_of, prepared


def test_pairs_are_neighbours_spread_over_the_stretch() -> None:
    crops = np.arange(36, dtype=np.uint8)[:, None, None, None] * np.ones((1, 8, 8, 3), np.uint8)
    looks = looks_of(crops)
    assert looks.shape == (LOOKS, 2, 3, 8, 8)
    first, second = looks[:, 0, 0, 0, 0].long(), looks[:, 1, 0, 0, 0].long()
    assert (second - first == 1).all()
    assert first[0] < 4
    assert first[-1] > 30


def test_a_flat_still_picture_has_neither_change_nor_fine_structure() -> None:
    looks = torch.full((1, 2, 2, 3, 16, 16), 90, dtype=torch.uint8)
    shown = prepared(looks)
    assert shown.shape == (2, 9, 16, 16)
    assert (shown[:, 3:6] == 0).all()
    assert shown[:, 6:, 2:-2, 2:-2].abs().max() < 1e-5


def test_one_logit_for_all_pairs_of_a_stretch() -> None:
    torch.manual_seed(0)
    network = DetailNetwork(8).eval()
    looks = torch.randint(0, 255, (3, LOOKS, 2, 3, 48, 48), dtype=torch.uint8)
    with torch.no_grad():
        said = network(looks)
        assert said.shape == (3,)
        torch.testing.assert_close(network(looks[:1]), said[:1])
        torch.testing.assert_close(network(looks[:, [2, 0, 3, 1]]), said)  # their order tells nothing
        assert not torch.allclose(network(looks.flip(2)), said)  # that of time does
