"""A cluster that is not there is named at once, not after the minutes for which Ray tries."""

from __future__ import annotations

import socket

import pytest

from outofsync_cluster.errors import ClusterError
from outofsync_cluster.pipeline import cluster


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_nobody_listens_at_an_address(scheme: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"{scheme}127.0.0.1:{free.getsockname()[1]}"
    refused = pytest.raises(ClusterError, match=f"no Ray cluster answers at {address}: .*refused")
    with refused, cluster(address):
        pass
