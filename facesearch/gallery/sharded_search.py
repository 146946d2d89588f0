"""Searching a gallery through the servers of its shards: all are asked at once, and the best of all are told.

Each template is in exactly one shard at any moment, and all answer as of the moment that the gallery is read at. A
shard that is away, of another gallery or of another moment is an error: an answer without it could say "unknown" of
somebody who is enrolled.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facesearch.errors import ShardError, UsageError
from facesearch.gallery.shard_client import PendingReply, ShardClient
from facesearch.gallery.shard_index import AsOf, Missed
from facesearch.gallery.shard_wire import MOST_BODY, HostPort, Question, Reply, shard_secret
from facesearch.gallery.view import Ids
from facesearch.store import GalleryState, Moment
from facesearch.store.shard import MOST_SHARDS

_COLUMN = 12  # bytes of a score and an id

Scores = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class ShardedView:
    """The templates of a gallery at one moment, in the shards of these clients. size: how many there are."""

    clients: Sequence[ShardClient]
    as_of: AsOf
    size: int

    def __len__(self) -> int:
        return self.size

    def search(
        self, probes: npt.NDArray[np.float32], k: int, excluded: Ids | None = None, allowed: Ids | None = None
    ) -> tuple[Scores, Ids]:
        """See `facesearch.gallery.view.View.search`. Raises `ShardError`."""
        passed = np.zeros(0, np.int64) if excluded is None else excluded
        among = np.zeros(0, np.int64) if allowed is None else allowed
        m, dimension = probes.shape
        ids = passed.astype("<i8").tobytes() + among.astype("<i8").tobytes()
        room = min((MOST_BODY - len(ids)) // (4 * dimension), MOST_BODY // (_COLUMN * k))
        if room < 1:
            raise UsageError("more is asked for at once than can be asked of shards: a smaller k, or fewer people")
        scores, found = np.full((m, k), -np.inf, np.float32), np.full((m, k), -1, np.int64)
        for start in range(0, m, room):
            some = probes[start : start + room]
            question = Question(
                self.as_of, len(some), dimension, k, len(passed), None if allowed is None else len(among)
            )
            replies = asked_at_once(self.clients, question, some.astype("<f4").tobytes() + ids)
            parts = [_found(*each, len(some), k) for each in zip(self.clients, replies, strict=True)]
            scores[start : start + room], found[start : start + room] = merged(parts, k)
        return scores, found


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
        self._ready: tuple[AsOf, int] | None = None  # the last moment that all were at, and their templates then

    def at(self, moment: Moment, state: GalleryState) -> ShardedView | None:
        """The view as of a moment whose state is given; None where the gallery has gone on meanwhile, so that it is to
        be asked at a new moment. Raises `ShardError`."""
        self._check()
        as_of, ready = AsOf.of(state), self._ready
        if ready is None or ready[0] != as_of:
            replies = asked_at_once(self._clients, Question(as_of))
            statuses = [reply.status for reply, _ in replies]
            if Missed.PASSED.value in statuses:
                return None
            for client, status in zip(self._clients, statuses, strict=True):
                _require_ok(client, status)
            if len({reply.answering for reply, _ in replies}) > 1:
                raise ShardError("the shards answer by different kinds of index, as one is being built: ask again")
            ready = self._ready = (as_of, sum(reply.templates for reply, _ in replies))
        return ShardedView(self._clients, *ready)

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
                    raise client.failed("is of another gallery")
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


def _found(client: ShardClient, answer: tuple[Reply, bytearray], m: int, k: int) -> tuple[Scores, Ids]:
    reply, body = answer
    if reply.status == Missed.PASSED.value:
        raise ShardError("the gallery changed too often while it was asked: ask again")
    _require_ok(client, reply.status)
    count = m * reply.columns
    if not 0 <= reply.columns <= k or len(body) != _COLUMN * count:
        raise client.failed("answers nonsense: a reply is not as long as it says")
    scores = np.frombuffer(body, "<f4", count).reshape(m, -1)
    ids = np.frombuffer(body, "<i8", count, 4 * count).reshape(m, -1)
    return scores.astype(np.float32), ids.astype(np.int64)


def _require_ok(client: ShardClient, status: str) -> None:
    if status == Missed.BEHIND.value:
        raise client.failed("is behind the gallery, and did not catch up in time: ask again")
    if status == Missed.BUSY.value:
        raise client.failed("is building its index: ask again")
    if status != "ok":
        raise client.failed("answers nonsense")
