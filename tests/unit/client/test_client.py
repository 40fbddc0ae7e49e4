"""What the client sends, and what it makes of the answers."""

from __future__ import annotations

import io
import os
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import pytest
from unit.client.conftest import TOKEN

import outofsync_client
from outofsync_client import Client, Retries

if TYPE_CHECKING:
    from unit.client.conftest import StubServer

MakeResult = Callable[..., dict[str, Any]]


def test_public_names_are_complete_and_sorted() -> None:
    names = outofsync_client.__all__
    public = [
        name
        for name, value in vars(outofsync_client).items()
        if not name.startswith("_") and getattr(value, "__module__", "").startswith("outofsync_client")
    ]
    assert names == sorted(names)
    assert set(public) <= set(names)
    assert all(hasattr(outofsync_client, name) for name in names)


def test_detect_sends_the_file_and_only_the_options_given(
    server: StubServer, client: Client, make_result: MakeResult, tmp_path: Path
) -> None:
    server.answers(make_result())
    video = bytes(range(256)) * 300
    path = tmp_path / "ünï code.mp4"
    path.write_bytes(video)

    result = client.detect(path, deblur="never", lam=0.5, include=["features"])

    (request,) = server.received
    assert (request.method, request.path) == ("POST", "/wfpredict/deepfake")
    assert request.fields["data"] == video
    assert request.options == {"deblur": "never", "lam": 0.5, "include": ["features"]}
    assert len(request.headers["X-OutOfSync-Request-Id"]) == 32
    assert result.verdict == "real"


def write_and_close(descriptor: int, data: bytes) -> None:
    with os.fdopen(descriptor, "wb") as sink:
        sink.write(data)


@pytest.mark.parametrize("kind", ["bytes", "open file", "rest of a file", "pipe"])
def test_every_kind_of_file_arrives_whole(
    server: StubServer, client: Client, make_result: MakeResult, tmp_path: Path, kind: str
) -> None:
    server.answers(make_result())
    video = b"\x00\r\n--" * 20_000
    if kind == "bytes":
        client.detect(video)
    elif kind == "open file":
        path = tmp_path / "video"
        path.write_bytes(video)
        with path.open("rb") as stream:
            client.detect(stream)
    elif kind == "rest of a file":
        buffer = io.BytesIO(b"header" + video)
        buffer.seek(6)
        client.detect(buffer)
    else:
        reader, writer = os.pipe()
        feeder = threading.Thread(target=write_and_close, args=(writer, video))
        feeder.start()
        with os.fdopen(reader, "rb") as source:
            client.detect(source)
        feeder.join()
    assert server.received[0].fields["data"] == video


def test_a_large_file_is_read_in_small_pieces(
    server: StubServer, client: Client, make_result: MakeResult
) -> None:
    class Watched(io.BytesIO):
        largest = 0

        def read(self, size: int | None = -1) -> bytes:
            chunk = super().read(size)
            self.largest = max(self.largest, len(chunk))
            return chunk

    server.answers(make_result())
    stream = Watched(bytes(900_000))
    client.detect(stream)
    assert 0 < stream.largest <= 100_000


def test_an_upload_tells_how_far_it_is(server: StubServer, client: Client, make_result: MakeResult) -> None:
    server.answers(make_result())
    heard: list[tuple[int, int]] = []
    client.detect(bytes(900_000), on_upload=lambda *bytes_: heard.append(bytes_))
    assert heard[0] == (0, 900_000)
    assert heard[-1] == (900_000, 900_000)
    assert len(heard) > 10
    assert heard == sorted(heard)


def test_an_upload_is_ended_by_whoever_watches_it(server: StubServer, client: Client) -> None:
    class EnoughError(Exception):
        pass

    def watch(sent: int, _: int) -> None:
        if sent > 100_000:
            raise EnoughError

    with pytest.raises(EnoughError):
        client.detect(bytes(900_000), on_upload=watch)
    assert server.received == []


def test_the_same_work_has_the_same_idempotency_key(
    server: StubServer, client: Client, make_result: MakeResult, tmp_path: Path
) -> None:
    server.answers(make_result())
    file = tmp_path / "video.mp4"
    file.write_bytes(b"video")
    begun = io.BytesIO(b"xxvideo")
    begun.seek(2)
    for same in (b"video", file, begun):
        client.detect(same, deblur="never")
    client.detect(b"video", deblur="always")
    client.detect(b"other", deblur="never")
    keys = [request.headers["Idempotency-Key"] for request in server.received]
    assert len(set(keys[:3])) == 1
    assert len(set(keys)) == 3
    assert len({request.headers["X-OutOfSync-Request-Id"] for request in server.received}) == 5


def test_deblur_returns_the_video(server: StubServer, client: Client) -> None:
    server.answer = lambda request: (200, b"\x00\x00\x00\x18ftypmp42" + request.fields["data"])
    assert client.deblur(b"blurry") == b"\x00\x00\x00\x18ftypmp42blurry"
    assert server.received[0].path == "/predictions/deblur"


def test_health_is_ready_when_the_chain_refuses_an_empty_file(server: StubServer, client: Client) -> None:
    server.refuses("empty_file")
    health = client.health()
    assert (health.status, health.ready, health.problem) == ("Healthy", True, "")
    assert server.received[-1].fields["data"] == b""


def test_health_tells_why_it_is_not_ready(server: StubServer, client: Client) -> None:
    server.answers({"code": 404, "type": "WorkflowNotFoundException", "message": "Workflow not found"}, 404)
    health = client.health()
    assert not health.ready
    assert "Register the workflow" in health.problem


def test_the_token_shows_nowhere(server: StubServer) -> None:
    with Client(server.url, token="wrong-secret") as client:
        with pytest.raises(outofsync_client.AuthenticationError) as caught:
            client.detect(b"x")
        shown = f"{client!r} {vars(client)!r} {caught.value} {caught.value.to_dict()} {caught.value!r}"
    assert "wrong-secret" not in shown
    with pytest.raises(ValueError, match="token") as refused:
        Client(server.url, token="wrong-secret\nand more")
    assert "wrong-secret" not in str(refused.value)


def test_a_key_may_come_with_the_line_end_of_the_file_it_lay_in(server: StubServer) -> None:
    with Client(server.url, api_key="a-key\r\n") as client, suppress(outofsync_client.OutOfSyncError):
        client.detect(b"x")
    assert server.received[-1].headers["X-Api-Key"] == "a-key"


def test_a_file_that_was_read_to_its_end_is_not_sent_as_nothing(client: Client) -> None:
    file = io.BytesIO(b"a video")
    file.read()
    with pytest.raises(outofsync_client.UnreadableFileError, match="read to its end"):
        client.detect(file)


def test_a_file_with_nothing_but_read_will_do(
    server: StubServer, client: Client, make_result: MakeResult
) -> None:
    class Readable:
        def __init__(self) -> None:
            self._left = b"a video"

        def read(self, size: int = -1) -> bytes:
            taken, self._left = self._left[:size], self._left[size:]
            return taken

    server.answers(make_result())
    client.detect(cast("IO[bytes]", Readable()))
    assert server.received[-1].fields["data"] == b"a video"


def test_a_netrc_file_does_not_replace_the_token(
    server: StubServer,
    client: Client,
    make_result: MakeResult,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login other password other\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    server.answers(make_result())
    assert client.detect(b"x").verdict == "real"


@pytest.mark.parametrize("url", ["127.0.0.1:8080", "ftp://host", "http://", "http://me:secret@host"])
def test_a_url_that_cannot_work_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="URL") as refused:
        Client(url)
    assert "secret" not in str(refused.value)


def test_nobody_listening_is_unreachable() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(outofsync_client.UnreachableError, match=str(port)) as caught:
        Client(f"http://127.0.0.1:{port}", retries=Retries.none()).detect(b"x")
    assert caught.value.request_id


def test_no_answer_is_a_timeout() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        client = Client(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=0.2)
        with pytest.raises(outofsync_client.RequestTimeoutError, match=r"0\.2 seconds"):
            client.detect(b"x")


def test_an_answer_that_stops_midway_is_a_timeout() -> None:
    def begin(listener: socket.socket) -> socket.socket:
        connection, _ = listener.accept()
        connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"id":')
        return connection

    with socket.socket() as slow, ThreadPoolExecutor(1) as pool:
        slow.bind(("127.0.0.1", 0))
        slow.listen()
        begun = pool.submit(begin, slow)
        with (
            Client(f"http://127.0.0.1:{slow.getsockname()[1]}", timeout=0.5) as client,
            pytest.raises(outofsync_client.RequestTimeoutError, match=r"complete answer within 0\.5 seconds"),
        ):
            client.detect(b"x")
        begun.result().close()


def test_times_that_are_none_are_refused() -> None:
    for seconds in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="more than zero"):
            Client("http://127.0.0.1:1", timeout=seconds)
        with pytest.raises(ValueError, match="more than zero"):
            outofsync_client.Timeouts(connect=seconds)


def test_waiting_for_a_server_that_never_comes_ends_with_the_reason(
    server: StubServer, client: Client
) -> None:
    server.answers({"code": 404, "type": "WorkflowNotFoundException", "message": "Workflow not found"}, 404)
    with pytest.raises(outofsync_client.RequestTimeoutError, match="Register the workflow"):
        client.wait_until_ready(0.7)


def test_waiting_ends_when_the_server_is_ready(server: StubServer, client: Client) -> None:
    server.refuses("busy")
    ready = threading.Timer(0.3, lambda: server.refuses("empty_file"))
    ready.start()
    assert client.wait_until_ready(20.0).ready
    ready.join()


def test_closing_leaves_alone_what_is_under_way(server: StubServer, make_result: MakeResult) -> None:
    asked, release = server.holds_back(make_result())
    client = Client(server.url, token=TOKEN)
    with ThreadPoolExecutor(1) as pool:
        judged = pool.submit(client.detect, b"video")
        assert asked.wait(60)
        client.close()
        release.set()
        assert judged.result().verdict == "real"
    with client:  # closed or not, it opens connections where it needs them
        assert client.detect(b"video").verdict == "real"
    assert server.connections == 2


def test_a_server_that_hangs_up_is_a_lost_connection() -> None:
    with socket.socket() as rude:
        rude.bind(("127.0.0.1", 0))
        rude.listen()
        hang_up = threading.Thread(target=lambda: rude.accept()[0].close())
        hang_up.start()
        with pytest.raises(outofsync_client.ConnectionLostError):
            Client(f"http://127.0.0.1:{rude.getsockname()[1]}", retries=Retries.none()).detect(b"x")
        hang_up.join()


def test_a_file_that_cannot_be_read_is_named(client: Client, tmp_path: Path) -> None:
    with pytest.raises(outofsync_client.UnreadableFileError, match=r"none\.mp4") as caught:
        client.detect(tmp_path / "none.mp4")
    assert isinstance(caught.value.__cause__, FileNotFoundError)


@pytest.mark.parametrize("kind", [str, Path])
def test_nothing_is_fetched_from_an_address(client: Client, kind: Callable[[str], str | Path]) -> None:
    with pytest.raises(outofsync_client.UnreadableFileError, match="download the video first"):
        client.detect(kind("https://example.org/clip.mp4"))


def test_a_file_that_shrinks_while_it_is_sent_is_no_hang(client: Client) -> None:
    class Shrinking(io.BytesIO):
        def read(self, *_: Any) -> bytes:
            return b""

    with pytest.raises(outofsync_client.UnreadableFileError, match="shorter"):
        client.detect(Shrinking(b"promised"))


def test_upload_and_queueing_are_told_apart(
    server: StubServer, client: Client, make_result: MakeResult
) -> None:
    server.answers(make_result(timing_ms={"arrival": 5000.0, "decode": 12.5}))
    started = time.time()
    timing = client.detect(bytes(100_000)).timing_ms
    (request,) = server.received
    assert started <= float(request.headers["X-OutOfSync-Sent-At"]) + 1e-3 <= time.time()
    assert set(timing) == {"upload", "queueing", "decode"}
    assert timing["upload"] > 0
    assert timing["upload"] + timing["queueing"] == pytest.approx(5000.0, abs=0.01)


def test_a_server_that_does_not_say_when_it_began_is_taken_at_its_word(
    server: StubServer, client: Client, make_result: MakeResult
) -> None:
    server.answers(make_result())
    assert client.detect(b"video").timing_ms == {"decode": 12.5}


def test_versions_are_rolled_out_where_they_are_served() -> None:
    with pytest.raises(ValueError, match="of_state"):
        Client("http://127.0.0.1:1").models  # noqa: B018
