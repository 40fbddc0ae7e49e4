"""Shows an address in the reader's browser, where there is one to show it in."""

from __future__ import annotations

import os
import sys
import threading
import webbrowser
from pathlib import Path

# They would take the terminal, and cannot show the page.
TEXT_BROWSERS = frozenset(("browsh", "carbonyl", "elinks", "links", "links2", "lynx", "w3m", "www-browser"))


def browser() -> webbrowser.BaseBrowser | None:
    """What shows pages here, None where nothing does."""
    chosen = os.environ.get("BROWSER")  # editors on other machines set it to what opens pages at the reader's
    screen = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or sys.platform != "linux"
    if not (chosen or screen):
        return None
    try:
        found = webbrowser.get()
    except webbrowser.Error:
        return None
    return None if Path(getattr(found, "name", "")).name in TEXT_BROWSERS else found


def show(url: str) -> bool:
    """Try to open the address; whether there is a browser to try. Some return only when they are closed."""
    found = browser()
    if found is None:
        return False
    threading.Thread(target=found.open, args=(url,), daemon=True).start()
    return True
