"""Chromium without a window, steered over the DevTools protocol on a pipe: what the report's page really looks like.

The pipe (`--remote-debugging-pipe`: JSON messages that end in a zero byte, on file descriptors 3 and 4) needs no port
and no WebSocket. Protocol: https://chromedevtools.github.io/devtools-protocol/
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# No window, no sandbox (it needs what containers do not give), and nothing of its own on the network.
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--hide-scrollbars",
    "--font-render-hinting=none",
    "--remote-debugging-pipe",
)
SECONDS = 180.0  # a busy machine takes its time


def find_chromium() -> str | None:
    """The program: $FACESEARCH_CHROMIUM, else the first of the usual names on the path; None where there is none."""
    chosen = os.environ.get("FACESEARCH_CHROMIUM")
    if chosen:
        return chosen
    return next((path for path in map(shutil.which, NAMES) if path), None)


class BrowserError(Exception):
    """Chromium did not start, did not answer in time, or refused a call."""


class Page:
    """One page; what it asked of the network and wrote to its console is kept."""

    def __init__(self, browser: _Pipe, session: str) -> None:
        self._browser = browser
        self._session = session
        self.requests: list[str] = []
        self.messages: list[str] = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """A call of the DevTools protocol; returns its result."""
        answer, events = self._browser.call(method, parameters, self._session)
        for event in events:
            self._note(event)
        return answer

    def view(self, *, width: int, height: int, dark: bool, scale: float = 1.0, mobile: bool = False) -> None:
        """The size of the window in CSS pixels, device pixels per CSS pixel, and the colour scheme that it asks for."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=mobile
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def open(self, path: Path, *, scripts: bool = True) -> None:
        """Load a file and wait until it is complete; `scripts=False` as in a browser that runs none."""
        self.call("Emulation.setScriptExecutionDisabled", value=not scripts)
        self.call("Page.navigate", url=path.resolve().as_uri())
        ends = time.monotonic() + SECONDS
        while self.evaluate("document.readyState") != "complete":
            if time.monotonic() > ends:
                raise BrowserError(f"{path} does not finish loading")
            time.sleep(0.02)

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise BrowserError(str(answer["exceptionDetails"].get("exception", {}).get("description")))
        return answer["result"].get("value")

    def screenshot(self, *, whole: bool = False) -> bytes:
        """A PNG of the window, or with `whole` of the whole page."""
        answer = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        return base64.b64decode(answer["data"])

    def pdf(self) -> bytes:
        """The page as it is printed."""
        return base64.b64decode(self.call("Page.printToPDF", printBackground=False)["data"])

    def _note(self, event: dict[str, Any]) -> None:
        detail = event.get("params", {})
        match event["method"]:
            case "Network.requestWillBeSent":
                self.requests.append(detail["request"]["url"])
            case "Runtime.exceptionThrown":
                self.messages.append(str(detail["exceptionDetails"].get("text")))
            case "Runtime.consoleAPICalled":
                self.messages.append(" ".join(str(value.get("value")) for value in detail["args"]))
            case "Log.entryAdded":
                self.messages.append(detail["entry"]["text"])


class _Pipe:
    """Sends calls, gathers answers and the events that come before them."""

    def __init__(self, reads: int, writes: int) -> None:
        self._reads = reads
        self._writes = writes
        self._number = 0
        self._rest = b""

    def call(
        self, method: str, parameters: dict[str, Any], session: str | None = None
    ) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        _write_all(self._writes, json.dumps(message).encode() + b"\0")
        events: list[dict[str, Any]] = []
        ends = time.monotonic() + SECONDS
        while True:
            answer = self._next(ends)
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise BrowserError(f"{method}: {answer['error']['message']}")
                return answer["result"], events
            if "method" in answer:
                events.append(answer)

    def _next(self, ends: float) -> dict[str, Any]:
        while b"\0" not in self._rest:
            if time.monotonic() > ends:
                raise BrowserError("Chromium does not answer")
            try:
                got = os.read(self._reads, 1 << 16)
            except BlockingIOError:
                time.sleep(0.002)
                continue
            if not got:
                raise BrowserError("Chromium has ended")
            self._rest += got
        message, _, self._rest = self._rest.partition(b"\0")
        document: dict[str, Any] = json.loads(message)
        return document


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


@contextmanager
def open_page(program: str) -> Iterator[Page]:
    """A page in a Chromium of its own, with a fresh profile; both are gone afterwards."""
    profile = tempfile.mkdtemp(prefix="facesearch-chromium-")
    child_reads, we_write = os.pipe()
    we_read, child_writes = os.pipe()
    os.set_blocking(we_read, False)
    sinks = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_WRONLY, 0) for number in (1, 2)]
    # the ends are moved out of the way first: one of them may be number 3 or 4 itself
    high_reads, high_writes = (_moved(number) for number in (child_reads, child_writes))
    process = os.posix_spawn(
        program,
        [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
        os.environ,
        file_actions=[*sinks, (os.POSIX_SPAWN_DUP2, high_reads, 3), (os.POSIX_SPAWN_DUP2, high_writes, 4)],
        setpgroup=0,
    )
    os.close(high_reads)
    os.close(high_writes)
    try:
        pipe = _Pipe(we_read, we_write)
        target = pipe.call("Target.createTarget", {"url": "about:blank"})[0]["targetId"]
        session = pipe.call("Target.attachToTarget", {"targetId": target, "flatten": True})[0]["sessionId"]
        yield Page(pipe, session)
    finally:
        os.close(we_read)
        os.close(we_write)
        with suppress(ProcessLookupError):
            os.killpg(process, signal.SIGKILL)
        os.waitpid(process, 0)
        shutil.rmtree(profile, ignore_errors=True)


def _moved(descriptor: int) -> int:
    import fcntl

    high = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(descriptor)
    return high
