"""What cannot be judged: found before anything is sent, or told by the server, always with what to do."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from e2e.web.clips import broken, empty, endless, silent, unseen
from e2e.web.conftest import MakeGateway, Visit
from e2e.web.tab import GENUINE, SAMPLES, Tab, file_of
from playwright.sync_api import expect

from outofsync_client.protocol import FORM_BYTES

pytestmark = pytest.mark.server

VIDEO = "video/mp4"


def uploads(tab: Tab) -> list[str]:
    """What is sent from now on; it grows."""
    sent: list[str] = []
    tab.page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    return sent


@pytest.mark.parametrize(
    ("name", "kind", "make", "code"),
    [
        ("empty.mp4", VIDEO, empty, "empty_file"),
        ("notes.txt", "text/plain", lambda: b"no video at all", "unsupported_media"),
        ("silent.mp4", VIDEO, silent, "no_audio"),
        ("unseen.mp4", VIDEO, unseen, "no_video"),
        ("endless.mp4", VIDEO, endless, "too_long"),
    ],
)
def test_what_the_page_sees_is_never_sent(
    visit: Visit, name: str, kind: str, make: Callable[[], bytes], code: str
) -> None:
    tab = visit()
    sent = uploads(tab)
    tab.choose(file_of(name, make(), kind))
    assert tab.say(f"error.{code}").split("{")[0] in tab.failure(name, code)
    assert sent == []


def test_too_large_a_file_is_never_sent(visit: Visit, make_gateway: MakeGateway) -> None:
    small = make_gateway(request_bytes=FORM_BYTES + 100_000)
    tab = visit(url=small.url)
    expect(tab.page.get_by_text("0.1 MB")).to_be_visible()
    sent = uploads(tab)
    tab.choose(file_of("large.mp4", GENUINE.read_bytes()))
    tab.failure("large.mp4", "too_large")
    assert sent == []


def test_the_server_says_what_is_wrong(visit: Visit) -> None:
    tab = visit()
    tab.choose(file_of("broken.mp4", broken(SAMPLES / GENUINE.name)))
    tab.failure("broken.mp4", "corrupt_media")
    tab.choose(file_of("renamed.mp4", b"no video at all"))
    tab.failure("renamed.mp4", "unsupported_media")
    tab.button("job.remove", name="broken.mp4").click()
    expect(tab.jobs()).to_have_count(1)


def test_errors_are_told_in_the_readers_language(visit: Visit) -> None:
    tab = visit(language="de")
    tab.choose(file_of("broken.mp4", broken(SAMPLES / GENUINE.name)))
    assert tab.say("error.corrupt_media") in tab.failure("broken.mp4", "corrupt_media")
