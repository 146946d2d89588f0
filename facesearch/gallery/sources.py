"""What questions are asked of: the store itself, or what follows a store on a server.

With `bounded` consistency, a question is answered from what is held here while that is young enough; with `latest`, the
store is asked. Where its server is away, what is held answers up to an age that was allowed, and the answer says so.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TypeVar

from facesearch.errors import FacesearchError, StoreUnreachableError
from facesearch.gallery.consistency import Consistency
from facesearch.gallery.following import Following
from facesearch.gallery.replica import Held, QuestionMoment, Replica, ReplicaMoment
from facesearch.store import AsOf, Calibration, Cohort, EncoderKey, GallerySettings, GalleryStore
from facesearch.text.figures import time_in_words

T = TypeVar("T")


class Source(Protocol):
    """What questions are asked of."""

    def settings(self) -> GallerySettings | None:
        """None before the first enrolment."""
        ...

    def encoder(self) -> EncoderKey | None: ...

    def calibration(self) -> Calibration | None: ...

    def cohort(self) -> Cohort | None: ...

    def size(self) -> int:
        """How many templates there are."""
        ...

    def qualities(self, template_ids: Sequence[int]) -> dict[int, float]: ...

    def moment(self) -> AbstractContextManager[QuestionMoment]:
        """See `facesearch.store.roles.GalleryStore.moment`."""
        ...

    def ask(self, question: Callable[[], T]) -> T:
        """What the question gives, which may be asked twice, where the server went away meanwhile."""
        ...

    def close(self) -> None: ...


class StoreSource:
    """A store that is asked each time; see `Source`."""

    def __init__(self, store: GalleryStore) -> None:
        self._store = store

    def settings(self) -> GallerySettings | None:
        return self._store.settings.read()

    def encoder(self) -> EncoderKey | None:
        return self._store.settings.encoder()

    def calibration(self) -> Calibration | None:
        return self._store.settings.calibration()

    def cohort(self) -> Cohort | None:
        return self._store.cohort.read()

    def size(self) -> int:
        return self._store.templates.counts().templates

    def qualities(self, template_ids: Sequence[int]) -> dict[int, float]:
        return self._store.templates.qualities(template_ids)

    def moment(self) -> AbstractContextManager[QuestionMoment]:
        return self._store.moment()

    def ask(self, question: Callable[[], T]) -> T:
        try:
            return question()
        except StoreUnreachableError:  # a connection that was cut; another one may reach the server
            if self._store.outlived:
                raise
            return question()

    def close(self) -> None:
        pass


class FollowingSource:
    """A store on a server that is followed; see `Source`."""

    def __init__(self, store: GalleryStore, following: Following, consistency: Consistency) -> None:
        self._store = StoreSource(store)
        self._following = following
        self._bound, self._stale_for = consistency.bound, consistency.stale_for

    def settings(self) -> GallerySettings | None:
        return self._either(lambda replica: replica.state.settings, self._store.settings)

    def encoder(self) -> EncoderKey | None:
        return self._either(lambda replica: replica.encoder, self._store.encoder)

    def calibration(self) -> Calibration | None:
        return self._either(lambda replica: replica.calibration, self._store.calibration)

    def cohort(self) -> Cohort | None:
        return self._either(lambda replica: replica.cohort, self._store.cohort)

    def size(self) -> int:
        return self._either(lambda replica: len(replica.owners.ids), self._store.size)

    def qualities(self, template_ids: Sequence[int]) -> dict[int, float]:
        return self._either(
            lambda replica: replica.qualities(template_ids), lambda: self._store.qualities(template_ids)
        )

    @contextmanager
    def moment(self) -> Iterator[QuestionMoment]:
        held = self._held()
        if held is not None:
            as_of = AsOf(time.monotonic() - held.confirmed, self._following.away)
            yield ReplicaMoment(held.replica, held.view, as_of)
        else:
            with self._store.moment() as moment:
                yield moment

    def ask(self, question: Callable[[], T]) -> T:
        try:
            return question()
        except StoreUnreachableError:
            if self._stale_for is not None:
                self._following.went_away()
        try:
            return question()
        except StoreUnreachableError as error:
            raise self._told(error) from None

    def close(self) -> None:
        self._following.close()

    def _either(self, of_replica: Callable[[Replica], T], of_store: Callable[[], T]) -> T:
        def question() -> T:
            held = self._held()
            return of_store() if held is None else of_replica(held.replica)

        return self.ask(question)

    def _held(self) -> Held | None:
        """What answers; None: the store. Raises `StoreUnreachableError` where what is held is too old."""
        self._following.start()
        held = self._following.held
        age = None if held is None else time.monotonic() - held.confirmed
        if age is not None and self._bound is not None and age <= self._bound:
            return held
        if self._following.away and self._stale_for is not None and age is not None and age <= self._stale_for:
            return held
        if self._bound is None:
            return None
        try:
            return self._following.refresh()
        except StoreUnreachableError:
            raise
        except FacesearchError:  # nobody is enrolled yet, or something is damaged: the store says it
            return None

    def _told(self, error: StoreUnreachableError) -> StoreUnreachableError:
        """The same error, and why what is held is not used in place of the server."""
        held = self._following.held
        if held is None or self._stale_for is None:
            return error
        age, most = time_in_words(time.monotonic() - held.confirmed), time_in_words(self._stale_for)
        return StoreUnreachableError(f"{error}; what is known here is {age} old, and may be used for {most}")
