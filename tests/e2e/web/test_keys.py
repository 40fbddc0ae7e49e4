"""Behind the edge, the page asks for an API key and keeps it in memory alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from e2e.web.clips import padded
from e2e.web.conftest import visiting
from e2e.web.tab import GENUINE
from edge_fixture import LiveEdge
from fault_proxy import FaultProxy, Reset
from playwright.sync_api import Browser, expect

pytestmark = pytest.mark.server

# Everything that a browser keeps of a page, files as text.
KEPT = """async () => {
  const kept = [JSON.stringify({...localStorage}), JSON.stringify({...sessionStorage}), document.cookie];
  for (const {name} of await indexedDB.databases()) {
    const database = await new Promise((resolve) => {
      const opening = indexedDB.open(name);
      opening.onsuccess = () => resolve(opening.result);
    });
    for (const store of database.objectStoreNames) {
      const values = await new Promise((resolve) => {
        const asked = database.transaction(store).objectStore(store).getAll();
        asked.onsuccess = () => resolve(asked.result);
      });
      for (const value of values) {
        kept.push(value instanceof Blob ? await value.text() : JSON.stringify(value));
      }
    }
    database.close();
  }
  return kept.join("\\n");
}"""


def test_no_key_a_wrong_key_and_the_right_one(browser: Browser, edge: LiveEdge) -> None:
    with visiting(browser, edge.url) as tab:
        page = tab.open().page
        field = page.get_by_label(tab.say("key.label"))
        tab.choose(GENUINE)
        expect(page.get_by_text(tab.say("queue.key"))).to_be_visible()

        field.fill("wrong")
        tab.button("key.use").click()
        expect(page.get_by_text(tab.say("key.refused"))).to_be_visible()

        field.fill(edge.key)
        tab.button("key.use").click()
        expect(page.get_by_text(tab.say("key.held"))).to_be_visible()
        tab.verdict(GENUINE.name)
        tab.result(GENUINE.name)
        page.wait_for_load_state("networkidle")

        kept = page.evaluate(KEPT)
        assert GENUINE.name in kept
        assert edge.key not in kept
        assert edge.key not in page.content()

        tab.open()
        expect(field).to_be_visible()
        tab.choose(GENUINE)
        expect(page.get_by_text(tab.say("queue.key"))).to_be_visible()


def test_a_key_can_be_forgotten(browser: Browser, edge: LiveEdge) -> None:
    with visiting(browser, edge.url) as tab:
        tab.open().use_key(edge.key)
        tab.button("key.forget").click()
        expect(tab.page.get_by_label(tab.say("key.label"))).to_be_visible()


def test_an_upload_that_breaks_goes_on_over_tls(browser: Browser, edge: LiveEdge, tmp_path: Path) -> None:
    """Where a connection breaks, Chromium itself begins the request anew; that ends with its first answer."""
    size, connections = 3_000_000, 20
    clip = padded(GENUINE, size - GENUINE.stat().st_size, tmp_path / "interview.mp4")
    breaks = [Reset(int(0.8 * size))] * connections
    with FaultProxy(edge.url, *breaks) as proxy, visiting(browser, proxy.url) as tab:
        tab.open().use_key(edge.key)
        tab.choose(clip)
        tab.verdict(clip.name)
        sent = [len(one.received) for one in proxy.connections]
        assert max(sent) >= 0.8 * size, "it broke"
        assert size < sum(sent) < 1.5 * size
        tab.page.close()
