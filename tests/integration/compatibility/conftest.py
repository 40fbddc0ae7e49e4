"""The site that the modules share which need no limits of their own; it ends with the last of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from edge_fixture import edges
from integration.compatibility.doors import Site, site_of
from integration.compatibility.troubles import judge, lasting


@pytest.fixture(scope="package")
def site(small_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server with small networks, its models alone as well, and the edge before it."""
    with ExitStack() as left:
        make = edges(small_store, tmp_path_factory, left)
        edge = make("--rate", "500", "--burst", "500", plain_models=True)
        yield left.enter_context(site_of(edge))


@pytest.fixture(scope="package")
def expected(site: Site) -> dict[str, object]:
    """What the server says of the big video when nothing gets in the way."""
    with site.client("token") as client:
        return lasting(judge(client))
