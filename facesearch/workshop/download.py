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

Progress = Callable[[int, int], None]

LARGEST = 4 * 2**30  # bytes; four times the largest model of the catalog
_BLOCK = 2**16
_WAITS = (1.0, 2.0, 4.0)  # seconds before the second, third and fourth attempt
_TIMEOUT = 30.0  # seconds without a byte
_MODEL_SUFFIXES = {".pt", ".pth", ".bin", ".ckpt", ".safetensors", ".onnx"}
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


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
    waits: tuple[float, ...] = _WAITS,
    progress: Progress | None = None,
) -> Fetched:
    """Download `url` (http, https) to `target`.

    A broken connection or an answer 5xx is tried again after each of `waits` (seconds), going on from where it broke
    if the server can and the file is still the same. On an error nothing is left behind. progress: (bytes, total),
    total 0 where the server does not say. Raises `UsageError` for another kind of URL, `WeightsError` for the rest.
    """
    _check_url(url)
    with staged_file(target) as temporary:
        with temporary.open("xb") as file:
            part = _Part(url, file, sha256, largest, progress)
            _fetch(part, timeout, waits)
        found = part.digest.hexdigest()
        if sha256 is not None and found != sha256:
            raise WeightsError(f"{url} is not the file expected: SHA-256 is {found}, not {sha256}; it was deleted")
    return Fetched(found, part.done)


def resolve_source(source: str, file_name: str) -> str | Path:
    """What `--from` means: a local file, or the URL of one.

    source: a file, a folder or base URL that has `file_name` in it, or the full URL. Raises `UsageError`.
    """
    parts = urllib.parse.urlsplit(source)
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


def _fetch(part: _Part, timeout: float, waits: tuple[float, ...]) -> None:
    opener = _opener()
    for wait in (*waits, None):
        try:
            _attempt(opener, part, timeout)
            return
        except _BrokenError as error:
            if wait is None:
                raise WeightsError(f"cannot download {part.url}: {error}") from error
            if not part.resumable:
                part.restart()
            time.sleep(wait)


def _attempt(opener: urllib.request.OpenerDirector, part: _Part, timeout: float) -> None:
    headers = {"User-Agent": f"facesearch/{__version__}", "Accept-Encoding": "identity"}
    if part.resumable:
        headers["Range"] = f"bytes={part.done}-"
        if part.version:
            headers["If-Range"] = part.version
    request = urllib.request.Request(part.url, headers=headers)  # noqa: S310 - the scheme was checked
    try:
        response = opener.open(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:  # what we have is no part of what the server has
            part.restart()
            raise _BrokenError("the server has another file than before") from error
        if error.code >= 500 or error.code in (408, 429):
            raise _BrokenError(f"the server answers {error.code} ({error.reason})") from error
        raise WeightsError(f"cannot download {part.url}: the server answers {error.code} ({error.reason})") from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            raise WeightsError(f"cannot download {part.url}: {_reason(error.reason)}") from error
        raise _BrokenError(_reason(error.reason)) from error
    except (OSError, http.client.HTTPException) as error:
        raise _BrokenError(_reason(error)) from error
    with response:
        _start(part, response)
        while True:
            try:
                block = response.read(_BLOCK)
            except (OSError, http.client.HTTPException) as error:
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
    part.expect(int(length) if length.isdecimal() else None)
    tag = response.headers.get("ETag")
    part.version = tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified")


class _Redirects(urllib.request.HTTPRedirectHandler):
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
        scheme = urllib.parse.urlsplit(wanted).scheme
        if scheme not in ("", "http", "https"):
            fp.close()
            raise WeightsError(f"{req.full_url} redirects to {wanted}, which is not followed")
        return super().http_error_302(req, fp, code, msg, headers)

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


def _opener() -> urllib.request.OpenerDirector:
    """Speaks http and https (through the proxy that the environment names) and nothing else."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        _Redirects(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener


def _check_url(url: str) -> None:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or not url.isprintable() or " " in url:
        raise UsageError(f"'{url}' is not an http(s) URL")


def _reason(error: object) -> str:
    if isinstance(error, TimeoutError):
        return "the server is silent"
    if isinstance(error, socket.gaierror):
        return "the server's name is not known here; is this machine online?"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return " ".join(str(error).split()) or type(error).__name__
