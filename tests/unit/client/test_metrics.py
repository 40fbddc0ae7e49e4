"""What a server counts, read as Prometheus reads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from unit.client.conftest import TOKEN

from outofsync_client import AuthenticationError, Client, Metrics, UnexpectedAnswerError, UnreachableError

if TYPE_CHECKING:
    from unit.client.conftest import StubServer

TEXT = """\
# HELP outofsync_verdicts_total Torchserve prometheus counter metric with unit: Counter
# TYPE outofsync_verdicts_total counter
outofsync_verdicts_total{Verdict="real",Version="1.0",Hostname="a\\"b"} 3.0
outofsync_verdicts_total{Verdict="real",Version="2.0",Hostname="a"} 1.0
outofsync_verdicts_total{Verdict="fake",Version="1.0",Hostname="a"} 2.0
# TYPE QueueTime gauge
QueueTime{Level="Host",} 0.5
"""


def test_series_are_told_apart_and_added_up() -> None:
    metrics = Metrics.parse(TEXT)
    assert metrics.total("outofsync_verdicts_total") == 6
    assert metrics.total("outofsync_verdicts_total", Verdict="real", Version="1.0") == 3
    assert metrics.total("outofsync_decode_crashes_total") == 0, "a series begins with its first event"
    assert metrics.by("outofsync_verdicts_total", "Verdict") == {"real": 4, "fake": 2}
    assert metrics.by("outofsync_verdicts_total", "Reason") == {}
    (sample,) = metrics.select("QueueTime")
    assert (sample.labels, sample.value) == ({"Level": "Host"}, 0.5)
    names = [sample["name"] for sample in json.loads(json.dumps(metrics.to_dict()))["samples"]]
    assert names.count("outofsync_verdicts_total") == 3


def test_metrics_are_read_where_the_client_is_told(server: StubServer) -> None:
    server.metrics = TEXT
    with Client(server.url, token=TOKEN, metrics_url=f"{server.url}/metrics") as client:
        assert client.metrics().total("outofsync_verdicts_total") == 6
    (request,) = server.received
    assert "Authorization" not in request.headers, "whoever reads metrics needs no token"


def test_a_server_of_this_machine_names_its_metrics(server: StubServer, tmp_path: Path) -> None:
    server.metrics = TEXT
    state = dict.fromkeys(("url", "management_url"), server.url)
    secrets = dict.fromkeys(("token", "management_token"), TOKEN)
    file = tmp_path / "server.json"
    file.write_text(json.dumps({**state, **secrets, "metrics_url": f"{server.url}/metrics"}))
    with Client.of_state(tmp_path) as client:
        assert client.metrics().by("outofsync_verdicts_total", "Version") == {"1.0": 5, "2.0": 1}
        file.unlink()
        with pytest.raises(UnreachableError, match="no server is ready"):
            client.metrics()


def test_a_client_that_knows_of_no_metrics_says_so(client: Client) -> None:
    with pytest.raises(ValueError, match="metrics_url"):
        client.metrics()


def test_what_is_no_metrics_is_refused(server: StubServer) -> None:
    server.metrics = "{} <html>"
    with Client(server.url, metrics_url=f"{server.url}/metrics") as client:  # noqa: SIM117 - two clients
        with pytest.raises(UnexpectedAnswerError):
            client.metrics()
    with Client(server.url, metrics_url=f"{server.url}/ping") as client:  # noqa: SIM117
        with pytest.raises(AuthenticationError):
            client.metrics()
