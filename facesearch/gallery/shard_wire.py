"""What goes between who asks a gallery and the servers of its shards, over TCP.

Both ends prove that they know a secret, then whole messages follow: two lengths (big-endian, 4 bytes each), a head in
JSON, and a body of plain arrays one after the other, little-endian. Everything received is checked, and its size before
room is made for it. Nothing is encrypted: use it within one machine or on a network of your own.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import socket
import stat
import struct
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from facesearch.errors import ShardError, UsageError
from facesearch.gallery.shard_index import ShardMoment
from facesearch.store import Shard

SECRET, SECRET_FILE = "FACESEARCH_SHARD_SECRET", "FACESEARCH_SHARD_SECRET_FILE"
MOST_BODY = 1 << 26  # bytes
COLUMN, ROUGH = 12, 4  # bytes of a score and an id, and of a rough score
_MOST_HEAD = 1 << 16
_LEAST_SECRET, _MOST_SECRET = 16, 4096  # bytes
_GREETING = b"facesearch shard 1\n"  # of this version of what is said here
_NONCE = 32
_DIGEST = hashlib.sha256().digest_size
_LENGTHS = struct.Struct(">II")
_ASKER, _SERVER = b"asker", b"server"

T = TypeVar("T")


class Hello(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a server has. gallery: words that no other one has."""

    gallery: str
    shard: Shard


class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The k nearest of each of `probes`, of `dimension` components, as of a moment; no probes: whether it is there.

    what: the "best", what the first stage of the index has "proposed", or the best of the allowed ones, each of which
    is "compared". Body: probes (probes, dimension) float32, ids to be passed over (excluded,) int64, the only ids to be
    found (allowed,) int64; allowed: None for all.
    """

    as_of: ShardMoment
    what: Literal["best", "proposed", "compared"] = "best"
    probes: int = 0
    dimension: int = 0
    k: int = 0
    excluded: int = 0
    allowed: int | None = None


class Reply(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """status: "ok", a `Missed`, or "failed", with the reason in words. templates: how many the shard has. answering:
    the kind of index that answers; precise: whether it finds all. rows: how many there were to be found. Body: scores
    (probes, columns) float32, ids (probes, columns) int64, and of proposals rough scores (probes, columns) float32."""

    status: str
    reason: str = ""
    templates: int = 0
    answering: str = ""
    precise: bool = False
    rows: int = 0
    columns: int = 0


@dataclass(frozen=True, slots=True)
class HostPort:
    """Where a server listens."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str, *, any_port: bool = False) -> HostPort:
        """Read `host:port` or `[::1]:port`; any_port: 0 stands for one that is free. Raises `UsageError`."""
        host, colon, port = text.strip().rpartition(":")
        host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
        number = int(port) if port.isascii() and port.isdigit() and len(port) <= 5 else -1
        if not colon or not host or not (0 if any_port else 1) <= number <= 65_535:
            raise UsageError(f"{text!r} is not where a server listens: give HOST:PORT, as in 127.0.0.1:7411")
        return cls(host, number)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def shard_secret() -> bytes:
    """The secret that askers and servers share: from the environment, or from the file named there.

    Raises `UsageError` where there is none, where it is too short, and where others may read the file.
    """
    given = os.environ.get(SECRET, "").strip().encode("utf-8", "surrogateescape")
    if not given and (name := os.environ.get(SECRET_FILE)):
        given = _read_secret(Path(name))
    if not given:
        raise UsageError(f"shards need a secret that they share with who asks: name its file in {SECRET_FILE}")
    if len(given) < _LEAST_SECRET:
        raise UsageError(f"the secret of the shards is shorter than {_LEAST_SECRET} characters: openssl rand -hex 32")
    return given


def _read_secret(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            if os.name == "posix" and stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise UsageError(f"others may read the secret in {path}: chmod 600 {path}")
            return file.read(_MOST_SECRET).strip()
    except OSError as error:
        raise UsageError(f"the secret in {path} cannot be read ({(error.strerror or 'error').lower()})") from None


class Wire:
    """One end of a connection. Raises OSError where the other end is away or too slow, `ShardError` for what is not
    of this protocol."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._until: float | None = None
        with suppress(OSError):
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def close(self) -> None:
        self._socket.close()

    def wait(self, seconds: float | None, *, in_all: bool = False) -> None:
        """From now on, the other end has so long for each step, or `in_all`; None: as long as it takes."""
        self._socket.settimeout(seconds)
        self._until = time.monotonic() + seconds if in_all and seconds is not None else None

    def prove_as_asker(self, secret: bytes) -> None:
        """Raises `ShardError` for what is no server of shards, or does not know the secret."""
        if self._exactly(len(_GREETING)) != _GREETING:
            raise ShardError("what answers there serves no shard, or is of another version of facesearch")
        theirs, ours = bytes(self._exactly(_NONCE)), secrets.token_bytes(_NONCE)
        self._socket.sendall(_GREETING + ours + _proof(secret, _ASKER, theirs, ours))
        try:
            proof = self._exactly(_DIGEST)
        except EOFError:
            raise ShardError(f"it does not accept the secret: give both the same {SECRET_FILE}") from None
        if not hmac.compare_digest(proof, _proof(secret, _SERVER, theirs, ours)):
            raise ShardError("it does not know the secret, and is told nothing")

    def prove_as_server(self, secret: bytes) -> bool:
        """Whether who asks knows the secret."""
        ours = secrets.token_bytes(_NONCE)
        self._socket.sendall(_GREETING + ours)
        if self._exactly(len(_GREETING)) != _GREETING:
            return False
        theirs, proof = bytes(self._exactly(_NONCE)), self._exactly(_DIGEST)
        if not hmac.compare_digest(proof, _proof(secret, _ASKER, ours, theirs)):
            return False
        self._socket.sendall(_proof(secret, _SERVER, ours, theirs))
        return True

    def send(self, head: msgspec.Struct, body: bytes = b"") -> None:
        written = msgspec.json.encode(head)
        self._socket.sendall(_LENGTHS.pack(len(written), len(body)) + written)
        if body:
            self._socket.sendall(body)

    def receive(self, kind: type[T], *, seconds: float | None = None) -> tuple[T, bytearray]:
        """A message: its head, of this kind, and its body. seconds: that each step after the first may take."""
        lengths = self._exactly(_LENGTHS.size)
        if seconds is not None:
            self.wait(seconds)
        head, body = _LENGTHS.unpack(lengths)
        if head > _MOST_HEAD or body > MOST_BODY:
            raise ShardError("a message is longer than any can be")
        try:
            return msgspec.json.decode(self._exactly(head), type=kind), self._exactly(body)
        except msgspec.MsgspecError:
            raise ShardError("a message is not what it should be") from None

    def _exactly(self, count: int) -> bytearray:
        """So many bytes; raises EOFError where the other end has gone."""
        content = bytearray(count)
        view, done = memoryview(content), 0
        while done < count:
            if self._until is not None:
                self._socket.settimeout(max(0.001, self._until - time.monotonic()))
            got = self._socket.recv_into(view[done:])
            if not got:
                raise EOFError
            done += got
        return content


def _proof(secret: bytes, whose: bytes, of_server: bytes, of_asker: bytes) -> bytes:
    return hmac.digest(secret, _GREETING + whose + of_server + of_asker, "sha256")
