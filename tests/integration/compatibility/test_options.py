"""Every option means the same through every door, to both clients, and for every way to hand a video over."""

from __future__ import annotations

import asyncio
import io
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import av
import pytest
from integration.compatibility.doors import DOORS, PATIENCE_S, Site
from media_factory import Media, beginning

import outofsync_client as oos
from outofsync_client import Client, Result, VideoFile
from serving.settings import ROOT

pytestmark = pytest.mark.server

SAMPLE = ROOT / "samples" / "synchronised.mp4"
SECONDS = 0.64
HEADER = b"a header"  # stands before the video in a file that is read from behind it

DEFAULTS = {"deblur": "auto", "mode": "full", "max_len": 50, "include": ["delays"]}  # but for lam
OPTIONS: dict[str, dict[str, Any]] = {
    "none": {},
    "the defaults": DEFAULTS,
    "deblur always": {"deblur": "always"},
    "deblur never": {"deblur": "never"},
    "mode reference": {"mode": "reference", "deblur": "never"},
    **{f"lam {lam}": {"lam": lam, "deblur": "never"} for lam in (0, 2.5)},
    **{f"max_len {length}": {"max_len": length, "deblur": "never"} for length in (2, 7)},
    **{
        f"include {word}": {"include": [word], "deblur": "never"} for word in ("features", "tracks", "frames")
    },
    "include nothing": {"include": [], "deblur": "never"},
    "all": {
        "deblur": "always",
        "mode": "reference",
        "lam": 0.25,
        "max_len": 5,
        "include": ["delays", "features", "tracks", "frames"],
    },
}


def lasting(result: Result) -> dict[str, Any]:
    """A result without what differs from call to call."""
    return {name: value for name, value in result.to_dict().items() if name != "timing_ms"}


@pytest.fixture(scope="module")
def video() -> bytes:
    """The beginning of a sample with a face that speaks."""
    return beginning(SAMPLE, SECONDS)


@pytest.fixture(scope="module")
def clients(site: Site) -> Iterator[dict[str, Client]]:
    """A client at each door."""
    clients = {door: site.client(door) for door in (*DOORS, "gateway")}
    yield clients
    for client in clients.values():
        client.close()


@pytest.fixture(scope="module")
def expected(clients: dict[str, Client], video: bytes) -> dict[str, dict[str, Any]]:
    """What TorchServe says of each choice of options."""
    with ThreadPoolExecutor(4) as pool:
        asked = {
            name: pool.submit(clients["token"].detect, video, **options) for name, options in OPTIONS.items()
        }
        return {name: lasting(one.result()) for name, one in asked.items()}


def test_options_change_what_they_should(expected: dict[str, dict[str, Any]]) -> None:
    """Else that they mean the same everywhere would mean nothing."""
    plain = expected["deblur never"]
    assert expected["none"] == expected["the defaults"]
    assert expected["deblur always"]["deblur"]["applied"] is True
    assert plain["deblur"]["applied"] is False
    assert expected["mode reference"]["segments"] != plain["segments"]
    assert [expected[name]["lam"] for name in ("lam 0", "lam 2.5", "all")] == [0, 2.5, 0.25]
    assert len({expected[name]["score"] for name in ("lam 0", "lam 2.5", "deblur never")}) == 3
    segments = [len(expected[name]["segments"]) for name in ("max_len 2", "max_len 7", "deblur never")]
    assert segments == sorted(segments, reverse=True)
    assert len(set(segments)) == 3
    for name in ("delays", "features", "tracks", "frames"):
        assert expected["all"][name]
    for name in ("features", "tracks", "frames"):
        assert expected[f"include {name}"][name]
    for name in ("delays", "features", "frames"):
        assert name not in expected["include nothing"]


@pytest.mark.parametrize("door", ["state", "edge"])
def test_every_option_means_the_same_at_every_door(
    clients: dict[str, Client], expected: dict[str, dict[str, Any]], video: bytes, door: str
) -> None:
    with ThreadPoolExecutor(4) as pool:
        asked = {
            name: pool.submit(clients[door].detect, video, **options) for name, options in OPTIONS.items()
        }
        assert {name: lasting(one.result()) for name, one in asked.items()} == expected


@pytest.mark.parametrize("door", ["token", "edge"])
def test_every_option_means_the_same_to_an_async_client(
    site: Site, expected: dict[str, dict[str, Any]], video: bytes, door: str
) -> None:
    async def ask() -> list[Result]:
        async with site.async_client(door, connections=4) as client:
            return await asyncio.gather(*(client.detect(video, **one) for one in OPTIONS.values()))

    found = asyncio.run(ask())
    assert {name: lasting(one) for name, one in zip(OPTIONS, found, strict=True)} == expected


@contextmanager
def handed_over(video: bytes, folder: Path) -> Iterator[list[VideoFile]]:
    """The same video in every form that a client takes; what is open stands behind a header."""
    path, behind = folder / "video.mp4", folder / "behind"
    path.write_bytes(video)
    behind.write_bytes(HEADER + video)
    buffer = io.BytesIO(HEADER + video)
    read, write = os.pipe()

    def fill() -> None:
        with os.fdopen(write, "wb") as end:
            end.write(video)

    filling = threading.Thread(target=fill)
    filling.start()
    with behind.open("rb") as file, os.fdopen(read, "rb") as pipe:
        for one in (file, buffer):
            one.seek(len(HEADER))
        yield [video, path, str(path), file, buffer, pipe]
    filling.join()


def test_a_video_may_be_handed_over_in_any_form(
    site: Site,
    clients: dict[str, Client],
    expected: dict[str, dict[str, Any]],
    video: bytes,
    tmp_path: Path,
) -> None:
    with handed_over(video, tmp_path) as files:
        for file in files:
            assert lasting(clients["edge"].detect(file, deblur="never")) == expected["deblur never"]

    async def ask(files: list[VideoFile]) -> list[Result]:
        async with site.async_client("token") as client:
            return [await client.detect(file, deblur="never") for file in files]

    with handed_over(video, tmp_path) as files:
        results = asyncio.run(ask(files))
    assert [lasting(result) for result in results] == [expected["deblur never"]] * 6


FRAMES = (20, 25, 30)
VIDEOS = [Media(frames=frames).to_bytes() for frames in FRAMES]
MANY = [VIDEOS[0], b"", VIDEOS[1], VIDEOS[2], b"a letter" * 99, VIDEOS[0]]


def outcomes_of(judged: list[oos.Judged[bytes]]) -> dict[int, object]:
    """Each outcome by its file's place: a result, or an error's code."""
    for one in judged:
        assert one.file is MANY[one.place]
    return {
        one.place: lasting(one.outcome) if isinstance(one.outcome, Result) else one.outcome.code
        for one in judged
    }


@pytest.fixture(scope="module")
def outcomes(clients: dict[str, Client]) -> dict[int, object]:
    """What TorchServe says of the many, one by one."""
    results = {place: lasting(clients["token"].detect(MANY[place])) for place in (0, 2, 3)}
    return {**results, 1: "empty_file", 4: "unsupported_media", 5: results[0]}


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("door", ["token", "edge"])
def test_many_are_judged_like_one(
    site: Site, clients: dict[str, Client], outcomes: dict[int, object], door: str, ordered: bool
) -> None:
    heard: list[tuple[int, int | None]] = []

    def hear(done: int, total: int | None) -> None:
        heard.append((done, total))

    found = list(clients[door].detect_many(MANY, jobs=3, ordered=ordered, on_done=hear))
    assert outcomes_of(found) == outcomes
    assert heard == [(done, len(MANY)) for done in range(1, len(MANY) + 1)]
    if ordered:
        assert [one.place for one in found] == list(range(len(MANY)))

    async def ask() -> list[oos.Judged[bytes]]:
        async with site.async_client(door) as client:
            return [one async for one in client.detect_many(MANY, jobs=3, ordered=ordered)]

    awaited = asyncio.run(ask())
    assert outcomes_of(awaited) == outcomes
    if ordered:
        assert [one.place for one in awaited] == list(range(len(MANY)))


@pytest.mark.parametrize("door", ["token", "edge"])
def test_many_take_options_and_may_be_left_early(clients: dict[str, Client], door: str) -> None:
    judged = clients[door].detect_many(iter(VIDEOS), jobs=1, mode="reference", include=["features"])
    (first,) = islice(judged, 1)
    judged.close()  # type: ignore[attr-defined]
    assert first.result.to_dict()["features"]
    assert "delays" not in first.result.to_dict()


def test_a_deblurred_video_is_the_same_at_every_door(site: Site, clients: dict[str, Client]) -> None:
    async def ask(door: str) -> bytes:
        async with site.async_client(door) as client:
            return await client.deblur(VIDEOS[0])

    deblurred = {clients[door].deblur(VIDEOS[0]) for door in clients}
    deblurred |= {asyncio.run(ask(door)) for door in ("token", "edge")}
    (one,) = deblurred
    assert one != VIDEOS[0]
    with av.open(io.BytesIO(one), "r") as file:
        assert len(list(file.decode(video=0))) == FRAMES[0]
    with av.open(io.BytesIO(one), "r") as file:
        assert list(file.decode(audio=0))


def test_health_is_told_at_every_door(site: Site, clients: dict[str, Client]) -> None:
    """In the server's own words, and by a probe of the whole chain."""
    words = {"token": "Healthy", "state": "Healthy", "edge": "ready", "gateway": "ready"}

    async def ask(door: str) -> tuple[oos.Health, oos.Health]:
        async with site.async_client(door) as client:
            return await client.health(), await client.wait_until_ready(PATIENCE_S)

    for door, client in clients.items():
        for health in (client.health(), client.wait_until_ready(PATIENCE_S), *asyncio.run(ask(door))):
            assert (health.status, health.ready, health.problem) == (words[door], True, "")
            assert health.seconds > 0.0
