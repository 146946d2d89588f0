"""A web server with faults, for one test: what it answers is a list of behaviours, the last of which stays."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Behaviour = Callable[["Answer", bytes], None]


class Answer(BaseHTTPRequestHandler):
    """One request; the server has the content, the behaviours and a record of the headers that were sent."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server: Any = self.server
        with server.lock:
            server.requests.append({key.lower(): value for key, value in self.headers.items()})
            server.paths.append(self.path)
            behaviour = server.behaviours.pop(0) if len(server.behaviours) > 1 else server.behaviours[0]
        self.close_connection = True
        behaviour(self, server.content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class calls it so
        """Silence."""

    def head(self, status: int, **headers: object) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.send_header("Connection", "close")
        self.end_headers()


def whole(answer: Answer, content: bytes) -> None:
    """All of it, whatever was asked."""
    answer.head(200, Content_Length=len(content), ETag=tag(content))
    answer.wfile.write(content)


def chunked(answer: Answer, content: bytes) -> None:
    """All of it, without saying how much that is."""
    answer.head(200)
    answer.wfile.write(content)


def cut(at: int) -> Behaviour:
    """The connection breaks after `at` bytes; the rest can be asked for."""

    def behave(answer: Answer, content: bytes) -> None:
        answer.head(200, Content_Length=len(content), ETag=tag(content))
        answer.wfile.write(content[:at])

    return behave


def cut_without_tag(at: int) -> Behaviour:
    """The same, from a server that does not say which version of the file it sends."""

    def behave(answer: Answer, content: bytes) -> None:
        answer.head(200, Content_Length=len(content))
        answer.wfile.write(content[:at])

    return behave


def ranged(answer: Answer, content: bytes) -> None:
    """The part that was asked for, if it is of this version."""
    wanted = answer.headers.get("Range", "")
    if not wanted or answer.headers.get("If-Range", tag(content)) != tag(content):
        whole(answer, content)
        return
    start = int(wanted.removeprefix("bytes=").split("-")[0])
    rest = content[start:]
    answer.head(
        206,
        Content_Length=len(rest),
        Content_Range=f"bytes {start}-{len(content) - 1}/{len(content)}",
        ETag=tag(content),
    )
    answer.wfile.write(rest)


def wrong_part(answer: Answer, content: bytes) -> None:
    """Another part than was asked for."""
    answer.head(206, Content_Length=1, Content_Range=f"bytes 0-0/{len(content)}")
    answer.wfile.write(content[:1])


def status(code: int) -> Behaviour:
    """An error."""
    return lambda answer, content: answer.head(code, Content_Length=0)


def redirect(location: str) -> Behaviour:
    """The file is elsewhere."""
    return lambda answer, content: answer.head(302, Location=location, Content_Length=0)


def stalled(event: threading.Event) -> Behaviour:
    """A few bytes, then nothing until `event`."""

    def behave(answer: Answer, content: bytes) -> None:
        answer.head(200, Content_Length=len(content), ETag=tag(content))
        answer.wfile.write(content[:10])
        answer.wfile.flush()
        event.wait(20)

    return behave


def trickling(where: str, stop: threading.Event) -> Behaviour:
    """A byte every few milliseconds, for ten seconds at most: of the "head", of the "body" or of a chunk's "length"."""

    def behave(answer: Answer, content: bytes) -> None:
        if where == "body":
            answer.head(200, Content_Length=len(content), ETag=tag(content))
        elif where == "length":
            answer.head(200, Transfer_Encoding="chunked")
        else:
            answer.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
        for _ in range(500):
            if stop.wait(0.02):
                return
            answer.wfile.write(b"0")
            answer.wfile.flush()

    return behave


def tag(content: bytes) -> str:
    return '"' + hashlib.sha256(content).hexdigest()[:16] + '"'


class Server:
    """A running server: where it is, and what was asked of it."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self.url = f"http://127.0.0.1:{server.server_address[1]}/weights.pt"
        self.base = self.url.rsplit("/", 1)[0]

    @property
    def requests(self) -> list[dict[str, str]]:
        """The headers of each request, by lower-case name."""
        return list(self._server.requests)

    @property
    def paths(self) -> list[str]:
        return list(self._server.paths)

    def change(self, content: bytes) -> None:
        self._server.content = content


@contextmanager
def serving(content: bytes, *behaviours: Behaviour) -> Iterator[Server]:
    """A server that answers the first request by the first behaviour and so on."""
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    server.daemon_threads = True
    server.content, server.behaviours, server.requests, server.paths = content, list(behaviours), [], []
    server.lock = threading.Lock()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield Server(server)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
