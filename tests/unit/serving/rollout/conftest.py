"""A site of one's own for every test of roll-outs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pretended_torchserve import NODES, OWN, FakeTorchServe, Site, serving, write_archive

from archives.repack import write_sums


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A site whose server has just started for the first time."""
    state, store = tmp_path / "state", tmp_path / "store"
    state.mkdir()
    store.mkdir()
    for node in NODES:
        write_archive(store / f"{node}.mar", node, OWN)
    write_archive(store / "deepfake.war", "deepfake", OWN)
    write_sums(store)
    torchserve = FakeTorchServe()
    with serving(torchserve) as url:
        site = Site(state, store, torchserve, url)
        site.start()
        yield site
