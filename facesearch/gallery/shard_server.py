"""Serving one shard of a gallery on a server: who knows the secret asks for the nearest templates in it."""

from __future__ import annotations

import logging
import socket
import socketserver
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from filelock import FileLock, Timeout

from facesearch.codecs.gallery_codecs import GalleryCodecs
from facesearch.errors import FacesearchError, ShardError, StoreBusyError, UsageError
from facesearch.gallery.shard_index import Missed, ShardIndex
from facesearch.gallery.shard_wire import COLUMN, MOST_BODY, ROUGH, Hello, HostPort, Question, Reply, Wire, shard_secret
from facesearch.gallery.view import Ids, View
from facesearch.store import Shard, is_address, open_on_server
from indexes.threads import threads as search_threads

_log = logging.getLogger("facesearch")

_PROVE_SECONDS = 5.0
_STEP_SECONDS = 30.0  # of a message, once it has begun
_CATCH_UP_SECONDS = 5.0
_MOST_CONNECTIONS = 256


class ShardServer:
    """Answers for one shard at one address until it is closed. Made by `serving`."""

    def __init__(
        self,
        index: ShardIndex,
        listen: HostPort,
        secret: bytes,
        threads: int,
        reopened: Callable[[], ShardIndex],
    ) -> None:
        """reopened: gives the index anew, where another server took over. Raises `UsageError` where it cannot listen
        there."""
        self._reopened = reopened
        self._stopping = threading.Event()
        try:
            self._server = _Listener(index, listen, secret, threads)
        except OSError as error:
            raise UsageError(f"nothing can listen on {listen} ({(error.strerror or str(error)).lower()})") from None
        self.index = index
        self._workers = [
            threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True),
            threading.Thread(target=self._keep_up, daemon=True),
        ]
        for worker in self._workers:
            worker.start()

    @property
    def listening(self) -> HostPort:
        host, port = self._server.server_address[:2]
        return HostPort(str(host), int(port))

    def close(self) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._server.hang_up()
        for worker in self._workers:
            worker.join()

    def _keep_up(self) -> None:
        told = ""
        while not self._stopping.wait(_CATCH_UP_SECONDS):
            try:
                if self.index.outlived:
                    self.index = self._server.index = self._reopened()
                self.index.keep_up()
                told = ""
            except FacesearchError as error:  # questions say the same to who asks
                if str(error) != told:
                    _log.warning("shard %s: %s", self.index.shard, error)
                told = str(error)


@contextmanager
def serving(gallery: object, shard: Shard, listen: HostPort, *, threads: int = 0) -> Iterator[ShardServer]:
    """Serve a shard of the gallery at a URL while the block runs; its index is there when the block begins.

    threads: that one search may take; 0: all cores. Raises `UsageError` for a gallery in a folder, for no secret and
    where nothing can listen; `StoreBusyError` where this machine serves the shard already; `StoreError`.
    """
    if not isinstance(gallery, str) or not is_address(gallery):
        raise UsageError("only a gallery on a server has shards: give --gallery postgresql://user@host/database")
    secret = shard_secret()
    with ExitStack() as open_things:

        def opened() -> ShardIndex:
            """The index, of files in a folder that nobody else writes to."""
            with ExitStack() as opening:
                store = opening.enter_context(open_on_server(gallery, read_only=True, create=False))
                folder = store.folder / f"shard-{shard.number}-of-{shard.count}"
                index = ShardIndex(store, GalleryCodecs(store.codebooks), folder, shard)
                try:
                    opening.enter_context(FileLock(folder / "serving.lock", blocking=False))
                except Timeout:
                    raise StoreBusyError(
                        f"another process of this machine serves shard {shard} of this gallery"
                    ) from None
                index.open()
                open_things.enter_context(opening.pop_all())
                return index

        server = ShardServer(opened(), listen, secret, threads, opened)
        open_things.callback(server.close)
        yield server


class _Listener(socketserver.ThreadingTCPServer):
    """A thread for each connection."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, index: ShardIndex, listen: HostPort, secret: bytes, threads: int) -> None:
        self.index, self.secret, self.threads = index, secret, threads
        self._open: set[socket.socket] = set()
        self._changing = threading.Lock()
        self.address_family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
        super().__init__((listen.host, listen.port), _Connection)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._changing:
            full = len(self._open) >= _MOST_CONNECTIONS
            if not full:
                self._open.add(request)
        if full:
            _log.warning("shard %s has %d connections and takes no more", self.index.shard, _MOST_CONNECTIONS)
            self.shutdown_request(request)
        else:
            super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._changing:
            self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """Close all connections."""
        with self._changing:
            for connected in self._open:
                with suppress(OSError):
                    connected.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        _log.error("a connection to shard %s failed (%s)", self.index.shard, type(sys.exception()).__name__)


class _Connection(socketserver.BaseRequestHandler):
    server: _Listener

    def handle(self) -> None:
        wire = Wire(self.request)
        with suppress(OSError, EOFError, ShardError):  # who asked has gone, or is not of ours
            wire.wait(_PROVE_SECONDS, in_all=True)
            if not wire.prove_as_server(self.server.secret):
                _log.warning("somebody who does not know the secret wanted to ask shard %s", self.server.index.shard)
                return
            wire.send(Hello(self.server.index.gallery, self.server.index.shard))
            while True:
                wire.wait(None)
                question, body = wire.receive(Question, seconds=_STEP_SECONDS)
                wire.send(*self._answer(question, body))

    def _answer(self, question: Question, body: bytearray) -> tuple[Reply, bytes]:
        try:
            probes, excluded, allowed = _arrays(question, body)
            view = self.server.index.at(question.as_of)
            if isinstance(view, Missed):
                return Reply(view.value), b""
            reply = Reply("ok", "", len(view), view.answering, view.searched.is_precise)
            if not question.probes:
                return reply, b""
            columns = min(question.k, max(len(view), 1))
            if question.probes * columns * (COLUMN + ROUGH) > MOST_BODY:
                raise ShardError("more is asked for at once than a message holds")
            with search_threads(self.server.threads):
                rows, found = _found(view, question.what, probes, columns, excluded, allowed)
            reply = msgspec.structs.replace(reply, rows=rows, columns=columns)
            return reply, b"".join(np.ascontiguousarray(each).tobytes() for each in found)
        except FacesearchError as error:
            return Reply("failed", str(error)), b""


def _found(
    view: View, what: str, probes: npt.NDArray[np.float32], columns: int, excluded: Ids | None, allowed: Ids | None
) -> tuple[int, list[npt.NDArray[Any]]]:
    """How many rows there were to be found, and the arrays of a reply, little-endian."""
    if what == "proposed":
        found = view.proposed(probes, columns, excluded, allowed)
        return found.rows, [found.scores.astype("<f4"), found.ids.astype("<i8"), found.rough.astype("<f4")]
    if what == "compared" and allowed is not None:
        scores, ids = view.compared(probes, columns, excluded, allowed)
    else:
        scores, ids = view.search(probes, columns, excluded, allowed)
    return 0, [scores.astype("<f4"), ids.astype("<i8")]


def _arrays(question: Question, body: bytearray) -> tuple[npt.NDArray[np.float32], Ids | None, Ids | None]:
    """Probes, ids to be passed over, ids to be found; raises `ShardError` where they are not what the head says."""
    counts = (question.probes, question.dimension, question.k, question.excluded, question.allowed or 0)
    most = 1 << 31
    ids = question.excluded + (question.allowed or 0)
    if not all(0 <= each < most for each in counts) or bool(question.probes) != bool(question.k):
        raise ShardError("a question is not what it should be")
    size = 4 * question.probes * question.dimension
    if len(body) != size + 8 * ids:
        raise ShardError("a question is not as long as it says")
    probes = np.frombuffer(body, "<f4", question.probes * question.dimension)
    after = np.frombuffer(body, "<i8", ids, size).astype(np.int64)
    excluded, allowed = after[: question.excluded], after[question.excluded :]
    return (
        probes.reshape(question.probes, question.dimension).astype(np.float32),
        excluded if excluded.size else None,
        None if question.allowed is None else allowed,
    )
