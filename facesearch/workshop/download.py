"""Fetch one file over HTTP: resumed where the connection breaks, checked, and in its place whole or not at all.

Only on the user's word; only the standard library.
"""

from __future__ import annotations

import hashlib
import http.client
import re
import socket
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from facesearch import __version__
from facesearch.errors import UsageError, WeightsError
from facesearch.files.durable import staged_file
from facesearch.workshop.connections import LEAST_RATE, WINDOW, Watch, opener

Progress = Callable[[int, int], None]

LARGEST = 4 * 2**30  # bytes; four times the largest model of the catalog
_BLOCK = 2**16
_WAITS = (1.0, 2.0, 4.0)  # seconds before the second, third and fourth attempt
_TIMEOUT = 30.0  # seconds without a byte
_MODEL_SUFFIXES = {".pt", ".pth", ".bin", ".ckpt", ".safetensors", ".onnx"}
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-[0-9]{1,18}/([0-9]{1,18}|\*)")
_CONTENT_LENGTH = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file that was downloaded."""

    sha256: str
    size_bytes: int


def download(
    url: str,
    target: Path,
    *,
    sha256: str | None = None,
    largest: int = LARGEST,
    timeout: float = _TIMEOUT,
    window: float = WINDOW,
    waits: tuple[float, ...] = _WAITS,
    progress: Progress | None = None,
) -> Fetched:
    """Download `url` (http, https) to `target`.

    A broken connection, an answer 5xx and a server that sends less than `LEAST_RATE` over a `window` (seconds) are
    tried again after each of `waits` (seconds), going on from where it broke if the server can and the file is still
    the same. timeout: seconds without a byte. On an error nothing is left behind. progress: (bytes, total), total 0
    where the server does not say. Raises `UsageError` for another kind of URL, `WeightsError` for the rest.
    """
    _check_url(url)
    with staged_file(target) as temporary:
        with temporary.open("xb") as file:
            part = _Part(url, file, sha256, largest, progress)
            _fetch(part, timeout, window, waits)
        found = part.digest.hexdigest()
        if sha256 is not None and found != sha256:
            raise WeightsError(f"{url} is not the file expected: SHA-256 is {found}, not {sha256}; it was deleted")
    return Fetched(found, part.done)


def resolve_source(source: str, file_name: str) -> str | Path:
    """What `--from` means: a local file, or the URL of one.

    source: a file, a folder or base URL that has `file_name` in it, or the full URL. Raises `UsageError`.
    """
    parts = _split(source) if ":" in source else urllib.parse.urlsplit("")
    if parts.scheme in ("http", "https"):
        _check_url(source)
        name = parts.path.rsplit("/", 1)[-1]
        if Path(name).suffix.lower() in _MODEL_SUFFIXES or parts.query:
            return source
        return urllib.parse.urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{file_name}"))
    if parts.scheme == "file":
        if parts.netloc not in ("", "localhost"):
            raise UsageError(f"'{source}' is on another machine: give a path, or an http(s) URL")
        path = Path(urllib.request.url2pathname(parts.path))
    elif "://" in source:
        raise UsageError(f"'{source}' is of a kind that is not fetched: give a path, or an http(s) URL")
    else:
        path = Path(source)
    path = path / file_name if path.is_dir() else path
    if not path.is_file():
        raise UsageError(f"there is no file {path}")
    return path


@dataclass(slots=True)
class _Part:
    """How much of a file is there, and which version of it."""

    url: str
    file: IO[bytes]
    sha256: str | None
    largest: int
    progress: Progress | None
    done: int = 0
    received: int = 0  # also of what was begun anew
    total: int | None = None
    version: str | None = None  # strong ETag or date: what the rest has to belong to
    digest: Any = field(default_factory=hashlib.sha256)

    @property
    def resumable(self) -> bool:
        return self.done > 0 and (self.version is not None or self.sha256 is not None)

    @property
    def complete(self) -> bool:
        return self.total is not None and self.done == self.total

    def restart(self) -> None:
        self.file.seek(0)
        self.file.truncate()
        self.done, self.total, self.version, self.digest = 0, None, None, hashlib.sha256()

    def append(self, block: bytes) -> None:
        self.file.write(block)
        self.digest.update(block)
        self.done += len(block)
        self.received += len(block)
        self._check_size(self.done)
        if self.progress:
            self.progress(self.done, self.total or 0)

    def expect(self, total: int | None) -> None:
        self.total = total
        self._check_size(total or 0)

    def _check_size(self, size: int) -> None:
        if size > self.largest:
            raise WeightsError(f"{self.url} is larger than {self.largest} bytes: that is not a model known here")


class _BrokenError(Exception):
    """A failure that may pass."""


def _fetch(part: _Part, timeout: float, window: float, waits: tuple[float, ...]) -> None:
    for wait in (*waits, None):
        try:
            _watched(part, timeout, window)
            return
        except _BrokenError as error:
            if wait is None:
                raise WeightsError(f"cannot download {part.url}: {error}") from error
            if not part.resumable:
                part.restart()
            time.sleep(wait)


def _watched(part: _Part, timeout: float, window: float) -> None:
    with Watch(lambda: part.received, window) as watch:
        try:
            _attempt(opener(watch), part, timeout)
        except (_BrokenError, WeightsError):
            if not watch.has_cut:
                raise
        if watch.has_cut and not part.complete:  # what was cut can look like the end
            raise _BrokenError(f"the server sends less than {LEAST_RATE} bytes a second")


def _attempt(through: urllib.request.OpenerDirector, part: _Part, timeout: float) -> None:
    headers = {"User-Agent": f"facesearch/{__version__}", "Accept-Encoding": "identity"}
    if part.resumable:
        headers["Range"] = f"bytes={part.done}-"
        if part.version:
            headers["If-Range"] = part.version
    request = urllib.request.Request(part.url, headers=headers)  # noqa: S310 - the scheme was checked
    try:
        response = through.open(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:  # what we have is no part of what the server has
            part.restart()
            raise _BrokenError("the server has another file than before") from error
        if error.code >= 500 or error.code in (408, 429):
            raise _BrokenError(f"the server answers {error.code} ({_reason(error.reason)})") from error
        answer = f"the server answers {error.code} ({_reason(error.reason)})"
        raise WeightsError(f"cannot download {part.url}: {answer}") from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            raise WeightsError(f"cannot download {part.url}: {_reason(error.reason)}") from error
        raise _BrokenError(_reason(error.reason)) from error
    except (OSError, http.client.HTTPException) as error:
        raise _BrokenError(_reason(error)) from error
    except (ValueError, OverflowError) as error:  # an address that cannot be one
        raise WeightsError(f"cannot download {part.url}: it leads to an address that is not possible") from error
    with response:
        _start(part, response)
        while True:
            try:
                block = response.read1(_BLOCK)  # what is there: more may be long in coming
            except (OSError, http.client.HTTPException, ValueError) as error:  # ValueError: the length of a chunk
                raise _BrokenError(_reason(error)) from error
            if not block:
                break
            part.append(block)
    if part.total is not None and not part.complete:
        raise _BrokenError(f"the connection ended after {part.done} of {part.total} bytes")


def _start(part: _Part, response: Any) -> None:
    """Go on where the last attempt stopped, if the server does; else begin anew."""
    rest = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range") or "")
    if response.status == 206 and rest is not None and int(rest[1]) == part.done:
        part.expect(None if rest[2] == "*" else int(rest[2]))
        return
    if response.status != 200:
        part.restart()
        raise _BrokenError(f"the server answers {response.status} with another part than was asked for")
    part.restart()
    length = response.headers.get("Content-Length") or ""
    part.expect(int(length) if _CONTENT_LENGTH.fullmatch(length) else None)
    tag = response.headers.get("ETag")
    part.version = tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified")


def _check_url(url: str) -> None:
    parts = _split(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or not url.isprintable() or " " in url:
        raise UsageError(f"'{url}' is not an http(s) URL")


def _split(url: str) -> urllib.parse.SplitResult:
    try:
        parts = urllib.parse.urlsplit(url)
        _ = parts.port  # is read when it is asked for
    except ValueError as error:
        raise UsageError(f"'{url}' is not an http(s) URL") from error
    return parts


def _reason(error: object) -> str:
    if isinstance(error, TimeoutError):
        return "the server is silent"
    if isinstance(error, socket.gaierror):
        return "the server's name is not known here; is this machine online?"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return " ".join(str(error).split()) or type(error).__name__
