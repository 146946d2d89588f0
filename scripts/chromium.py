"""Chromium without a window, driven by Playwright: what the report's page really looks like.

The browser is the system's own; Playwright's download of one is never needed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, sync_playwright
from playwright.sync_api import Page as Tab

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# No sandbox (it needs what containers do not give), and nothing of its own on the network.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--font-render-hinting=none",
)
MILLISECONDS = 180_000.0  # a busy machine takes its time


def find_chromium() -> str | None:
    """The program: $FACESEARCH_CHROMIUM, else the first of the usual names on the path; None where there is none."""
    chosen = os.environ.get("FACESEARCH_CHROMIUM")
    if chosen:
        return chosen
    return next((path for path in map(shutil.which, NAMES) if path), None)


class Page:
    """One page; what it asked of the network and wrote to its console is kept."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._options: dict[str, Any] = {}
        self._context: BrowserContext | None = None
        self._tab: Tab | None = None
        self.requests: list[str] = []
        self.messages: list[str] = []

    def view(self, *, width: int, height: int, dark: bool, scale: float = 1.0, mobile: bool = False) -> None:
        """The size of the window in CSS pixels, device pixels per CSS pixel, and the colour scheme that it asks for."""
        self._options = {
            "viewport": {"width": width, "height": height},
            "device_scale_factor": scale,
            "is_mobile": mobile,
            "color_scheme": "dark" if dark else "light",
        }

    def open(self, path: Path, *, scripts: bool = True) -> None:
        """Load a file and wait until it is complete; `scripts=False` as in a browser that runs none."""
        if self._context is not None:
            self._context.close()
        self._context = self._browser.new_context(java_script_enabled=scripts, **self._options)
        self._context.set_default_timeout(MILLISECONDS)
        self._tab = self._context.new_page()
        self._tab.on("request", lambda request: self.requests.append(request.url))
        self._tab.on("console", lambda message: self.messages.append(message.text))
        self._tab.on("pageerror", lambda error: self.messages.append(str(error)))
        self._tab.goto(path.resolve().as_uri())

    @property
    def tab(self) -> Tab:
        """The page as Playwright knows it, once it was opened."""
        assert self._tab is not None
        return self._tab

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page."""
        return self.tab.evaluate(expression)

    def screenshot(self, *, whole: bool = False) -> bytes:
        """A PNG of the window, or with `whole` of the whole page."""
        return self.tab.screenshot(full_page=whole)

    def pdf(self) -> bytes:
        """The page as it is printed."""
        return self.tab.pdf()


@contextmanager
def open_page(program: str) -> Iterator[Page]:
    """A page in a browser that ends with the block."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS), timeout=MILLISECONDS)
        try:
            yield Page(browser)
        finally:
            browser.close()
