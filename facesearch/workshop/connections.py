"""HTTP connections for a download: what is followed, and where a server sends too little to be waited for.

A byte now and then would keep a connection open for ever.
"""

from __future__ import annotations

import http.client
import socket
import threading
import urllib.parse
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from facesearch.errors import WeightsError

LEAST_RATE = 4096  # bytes per second
WINDOW = 30.0  # seconds over which that is looked at


class Watch:
    """Looks at how many bytes came while an attempt lasts, and cuts its connection if these are too few.

    seen: bytes so far. window: seconds between two looks.
    """

    def __init__(self, seen: Callable[[], int], window: float = WINDOW) -> None:
        self.has_cut = False
        self._seen = seen
        self._window = window
        self._socket: socket.socket | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def handlers(self) -> tuple[urllib.request.BaseHandler, ...]:
        """Of http and https, for an opener whose connections are watched."""
        return _Http(self), _Https(self)

    def take(self, connected: socket.socket) -> None:
        """This is the connection from now on."""
        self._socket = connected

    def _look(self) -> None:
        before = self._seen()
        while not self._over.wait(self._window):
            now = self._seen()
            if now - before < LEAST_RATE * self._window:
                self.has_cut = True
                if self._socket is not None:
                    with suppress(OSError):
                        socket.socket.shutdown(self._socket, socket.SHUT_RDWR)  # that of TLS would wait for an answer
                return
            before = now


class _Http(urllib.request.HTTPHandler):
    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self._watch = watch

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        watch = self._watch

        class Connection(http.client.HTTPConnection):
            def connect(self) -> None:
                super().connect()
                watch.take(self.sock)

        return self.do_open(Connection, req)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self._watch = watch

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        watch = self._watch

        class Connection(http.client.HTTPSConnection):
            def connect(self) -> None:
                super().connect()
                watch.take(self.sock)

        connection: Any = Connection  # typeshed knows of functions only
        return self.do_open(connection, req)


class Redirects(urllib.request.HTTPRedirectHandler):
    """Follows to http and https only, and never from https to http."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        wanted = urllib.parse.urlsplit(newurl).scheme
        if wanted not in ("http", "https") or (req.type == "https" and wanted != "https"):
            if fp is not None:
                fp.close()
            raise WeightsError(f"{req.full_url} redirects to {newurl}, which is not followed")
        return super().redirect_request(req, fp, code, msg, headers, newurl)

    # the base class checks the scheme first, and its message does not say where the URL came from
    def http_error_302(self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any) -> Any:
        wanted = headers.get("Location") or headers.get("URI") or ""
        try:
            scheme = urllib.parse.urlsplit(wanted).scheme
        except ValueError:
            scheme = "?"
        if scheme not in ("", "http", "https"):
            fp.close()
            raise WeightsError(f"{req.full_url} redirects to {wanted}, which is not followed")
        return super().http_error_302(req, fp, code, msg, headers)

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


def opener(watch: Watch) -> urllib.request.OpenerDirector:
    """Speaks http and https (through the proxy that the environment names) and nothing else."""
    made = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        *watch.handlers(),
        urllib.request.HTTPDefaultErrorHandler(),
        Redirects(),
        urllib.request.HTTPErrorProcessor(),
    ):
        made.add_handler(handler)
    return made
