"""Searching a gallery through the servers of its shards: all are asked at once, and the best of all are told.

Each template is in exactly one shard at any moment, and all answer as of the moment that the gallery is read at. A
shard that is away, of another gallery or of another moment is an error: an answer without it could say "unknown" of
somebody who is enrolled.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from facesearch.errors import ShardError, UsageError
from facesearch.gallery.shard_client import PendingReply, ShardClient
from facesearch.gallery.shard_index import Missed, ShardMoment
from facesearch.gallery.shard_wire import COLUMN, MOST_BODY, ROUGH, HostPort, Question, Reply, shard_secret
from facesearch.gallery.view import Ids
from facesearch.store import GalleryState, Moment
from facesearch.store.shard import MOST_SHARDS
from indexes import Proposed, are_few_allowed, best_proposed, first_proposed, more_proposed

Vectors = npt.NDArray[np.float32]
Scores = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class ShardedView:
    """The templates of a gallery at one moment, in the shards of these clients. size: how many there are. precise:
    whether the kind of index finds all; else the shards propose, and what counts is settled for all of them together.
    """

    clients: Sequence[ShardClient]
    as_of: ShardMoment
    size: int
    precise: bool

    def __len__(self) -> int:
        return self.size

    def search(
        self, probes: npt.NDArray[np.float32], k: int, excluded: Ids | None = None, allowed: Ids | None = None
    ) -> tuple[Scores, Ids]:
        """See `facesearch.gallery.view.View.search`. Raises `ShardError`."""
        asked = _Asked(self.clients, self.as_of, excluded, allowed)
        few = allowed is not None and are_few_allowed(_left(excluded, allowed), self.size)
        if self.precise or few:
            return asked.best(probes, k, "compared" if few else "best")
        scores, ids = np.full((len(probes), k), -np.inf, np.float32), np.full((len(probes), k), -1, np.int64)
        unsettled, count = np.arange(len(probes)), first_proposed(k)
        while unsettled.size:
            found, known, more = asked.proposed(probes[unsettled], count, k)
            scores[unsettled], ids[unsettled] = found, known
            unsettled, count = unsettled[more], more_proposed(count)
        return scores, ids


_PATIENCE, _PAUSE = 10.0, 0.02  # seconds


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """What a search asks of all shards. excluded: ids (e,) that are passed over; allowed: (a,), the only ones."""

    clients: Sequence[ShardClient]
    as_of: ShardMoment
    excluded: Ids | None
    allowed: Ids | None

    def best(self, probes: Vectors, k: int, what: Literal["best", "compared"]) -> tuple[Scores, Ids]:
        """The k best of each of probes (m, d)."""
        scores, ids = np.full((len(probes), k), -np.inf, np.float32), np.full((len(probes), k), -1, np.int64)
        for rows, replies in self._replies(probes, k, what):
            parts = [_arrays(*each, rows.stop - rows.start, k) for each in zip(self.clients, replies, strict=True)]
            scores[rows], ids[rows] = merged([(found, known) for found, known, _ in parts], k)
        return scores, ids

    def proposed(self, probes: Vectors, count: int, k: int) -> tuple[Scores, Ids, Ids]:
        """The k best of each of probes (m, d) of `count` proposals; see `indexes.best_proposed`."""
        scores, ids = np.full((len(probes), k), -np.inf, np.float32), np.full((len(probes), k), -1, np.int64)
        unsettled = []
        for rows, replies in self._replies(probes, count, "proposed"):
            m = rows.stop - rows.start
            parts = [
                Proposed(rough, found, known, reply.rows)
                for reply, (found, known, rough) in (
                    (answer[0], _arrays(client, answer, m, count, rough=True))
                    for client, answer in zip(self.clients, replies, strict=True)
                )
            ]
            scores[rows], ids[rows], more = best_proposed(parts, count, k)
            unsettled.append(more + rows.start)
        return scores, ids, np.concatenate(unsettled)

    def _replies(
        self, probes: Vectors, k: int, what: Literal["best", "proposed", "compared"]
    ) -> Iterator[tuple[slice, list[tuple[Reply, bytearray]]]]:
        """The replies to probes (m, d), as many of them at once as messages have room for."""
        given = [np.zeros(0, np.int64) if each is None else each for each in (self.excluded, self.allowed)]
        ids = b"".join(each.astype("<i8").tobytes() for each in given)
        m, dimension = probes.shape
        room = min((MOST_BODY - len(ids)) // (4 * dimension), MOST_BODY // ((COLUMN + ROUGH) * k))
        if room < 1:
            raise UsageError("more is asked for at once than can be asked of shards: a smaller k, or fewer people")
        for start in range(0, m, room):
            some = probes[start : start + room]
            allowed = None if self.allowed is None else len(self.allowed)
            question = Question(self.as_of, what, len(some), dimension, k, len(given[0]), allowed)
            rows = slice(start, start + len(some))
            yield rows, asked_at_once(self.clients, question, some.astype("<f4").tobytes() + ids)


class ShardedSearch:
    """Makes views of one gallery. Safe to share between threads."""

    def __init__(self, addresses: Sequence[str], gallery: str) -> None:
        """addresses: HOST:PORT of all shards, in any order. gallery: words that no other one has.

        Raises `UsageError` for what is no address, and where there is no secret.
        """
        places = [HostPort.parse(each) for each in addresses]
        if len(set(places)) < len(places) or len(places) > MOST_SHARDS:
            raise UsageError("the addresses of shards are all different ones, each given once")
        secret = shard_secret()
        self._clients = [ShardClient(place, secret) for place in places]
        self._gallery = gallery
        self._checked = False
        self._checking = threading.Lock()
        self._ready: ShardedView | None = None  # of the last moment that all were at
        self._passed_since: float | None = None

    def at(self, moment: Moment, state: GalleryState) -> ShardedView | None:
        """The view as of a moment whose state is given; None where the gallery has gone on meanwhile, so that it is to
        be asked at a new moment. Raises `ShardError`."""
        self._check()
        as_of, ready = ShardMoment.of(state), self._ready
        if ready is not None and ready.as_of == as_of:
            return ready
        replies = [reply for reply, _ in asked_at_once(self._clients, Question(as_of))]
        if any(reply.status == Missed.PASSED.value for reply in replies):
            self._wait_for_more()
            return None
        self._passed_since = None
        for client, reply in zip(self._clients, replies, strict=True):
            _require_ok(client, reply.status)
        if len({reply.answering for reply in replies}) > 1:
            raise ShardError("the shards answer by different kinds of index, as one is being built: ask again")
        size, precise = sum(reply.templates for reply in replies), replies[0].precise
        ready = self._ready = ShardedView(self._clients, as_of, size, precise)
        return ready

    def _wait_for_more(self) -> None:
        """The shards are further than the database that is asked, for a moment, or as what follows it is behind."""
        now = time.monotonic()
        since = self._passed_since = self._passed_since or now
        if now - since > _PATIENCE:
            self._passed_since = None
            raise ShardError("the shards are ahead of the server that is asked: ask the one that they follow")
        time.sleep(_PAUSE)

    def close(self) -> None:
        for client in self._clients:
            client.close()

    def _check(self) -> None:
        """Make sure, once, that these are the shards of this gallery, all of them."""
        with self._checking:
            if self._checked:
                return
            count, of_number = len(self._clients), dict[int, ShardClient]()
            for client in self._clients:
                hello = client.reach()
                if hello.gallery != self._gallery:
                    error = client.failed("is of another gallery, or has not seen yet that another server took over")
                    client.forget()
                    raise error
                if hello.shard.count != count:
                    raise client.failed(f"is one of {hello.shard.count}, and the addresses of {count} were given")
                if other := of_number.get(hello.shard.number):
                    raise client.failed(f"is at {other.address}, too")
                of_number[hello.shard.number] = client
            self._checked = True


def asked_at_once(
    clients: Sequence[ShardClient], question: Question, body: bytes = b""
) -> list[tuple[Reply, bytearray]]:
    """The replies of all; each has the question before any is waited for. Raises `ShardError`."""
    pending: list[PendingReply] = []
    try:
        for client in clients:
            pending.append(client.ask(question, body))
        return [each.result() for each in pending]
    except BaseException:
        for each in pending:
            each.drop()
        raise


def merged(parts: Sequence[tuple[Scores, Ids]], k: int) -> tuple[Scores, Ids]:
    """The k best of all parts, each scores (m, c) float32 and ids (m, c) int64, −1 for none: scores (m, k) and ids
    (m, k), best first, equal scores by lowest id."""
    scores = np.concatenate([each for each, _ in parts], axis=1)
    ids = np.concatenate([each for _, each in parts], axis=1)
    order = np.lexsort((ids, -scores), axis=1)[:, :k]
    scores, ids = np.take_along_axis(scores, order, 1), np.take_along_axis(ids, order, 1)
    missing = ((0, 0), (0, k - scores.shape[1]))
    return np.pad(scores, missing, constant_values=-np.inf), np.pad(ids, missing, constant_values=-1)


def _arrays(
    client: ShardClient, answer: tuple[Reply, bytearray], m: int, k: int, *, rough: bool = False
) -> tuple[Scores, Ids, Scores]:
    """Scores and ids (m, columns) of a reply to m probes, and rough scores where there are some."""
    reply, body = answer
    if reply.status == Missed.PASSED.value:
        raise ShardError("the gallery changed too often while it was asked: ask again")
    _require_ok(client, reply.status)
    count = m * reply.columns
    if not 0 <= reply.columns <= k or len(body) != (COLUMN + (ROUGH if rough else 0)) * count:
        raise client.failed("answers nonsense: a reply is not as long as it says")
    scores = np.frombuffer(body, "<f4", count).reshape(m, -1)
    ids = np.frombuffer(body, "<i8", count, 4 * count).reshape(m, -1)
    more = np.frombuffer(body, "<f4", count if rough else 0, COLUMN * count).reshape(m, -1)
    return scores.astype(np.float32), ids.astype(np.int64), more.astype(np.float32)


def _left(excluded: Ids | None, allowed: Ids) -> int:
    return len(allowed) if excluded is None else len(np.setdiff1d(allowed, excluded))


def _require_ok(client: ShardClient, status: str) -> None:
    if status == Missed.BEHIND.value:
        raise client.failed("is behind the gallery, and did not catch up in time: ask again")
    if status == Missed.BUSY.value:
        raise client.failed("is building its index: ask again")
    if status != "ok":
        raise client.failed("answers nonsense")
