"""A gateway answers raw bytes with HTTP, hangs up, and says of none that it is its own fault."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from unit.gateway.conftest import EMPTY, Background, FakeServer, gateway_process, health, said

from benchmarks.fuzzing.running import kept
from benchmarks.fuzzing.service import Service

MESSAGES = 300
SEED = 2026
CALLERS = 8


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    fake = FakeServer(tmp_path, answer=lambda *_: said(EMPTY))
    with Background(fake.app()) as fake.url:
        fake.publish()
        with gateway_process(fake, "--header-seconds", "5") as (url, _):
            yield Service(url, "no key is asked for")


@pytest.mark.slow
def test_raw_bytes_are_answered_or_hung_up_on(service: Service) -> None:
    seeds = service.seeds()
    assert {service.problem(seed) for seed in seeds} == {""}
    assert all(service.ask(seed).startswith(b"HTTP/1.1 ") for seed in seeds)
    mutated = service.mutated(SEED)
    messages = [mutated(number) for number in range(MESSAGES)]
    messages += [path.read_bytes() for path in kept("service")]
    with ThreadPoolExecutor(CALLERS) as pool:
        assert set(pool.map(service.problem, messages)) == {""}
    assert health(service.url) == 200
