"""Many photos looked at at once: by the threads of this process, by processes, or by the workers of a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, Self, TypeVar

from facesearch.errors import RejectedImageError
from facesearch.photos.photo import Photo
from facesearch.pipeline.tasks import Task
from facesearch.pipeline.worker_pool import WORTH_PROCESSES, WorkerPool
from facesearch.pipeline.workers import Workers

A = TypeVar("A")
B = TypeVar("B")
T = TypeVar("T")

_AHEAD = 16  # photos to be done when the next ones are looked up: this machine has work meanwhile


class ManyPhotos(Generic[T]):
    """Looks at photos, and makes something of each (`facesearch.pipeline.in_order.Makers`).

    here: how this process does it. task: the same for others. rejection: what becomes of a photo that cannot be used.
    """

    def __init__(
        self,
        workers: Workers,
        here: Callable[[Photo], T],
        task: Task[T],
        rejection: Callable[[Photo, RejectedImageError], T],
    ) -> None:
        self._workers, self._here, self._task, self._rejection = workers, here, task, rejection
        self._threads = ThreadPoolExecutor(workers.at_once, thread_name_prefix="photos")
        self._processes: WorkerPool[T] | None = None

    @property
    def ahead(self) -> int:
        return _AHEAD

    def expect(self, photos: int) -> None:
        many = self._workers.by_name and self._workers.at_once > 1 and photos >= WORTH_PROCESSES
        if many and self._processes is None:
            self._processes = WorkerPool(self._workers.at_once, self._task)

    def submit(self, photos: Sequence[Photo]) -> list[Future[T]]:
        return [self._threads.submit(self._look, photo) for photo in photos]

    def each(self, function: Callable[[A], B], values: Iterable[A]) -> list[B]:
        """A function of each value, by threads of this process."""
        return list(self._threads.map(function, values))

    def _look(self, photo: Photo) -> T:
        try:
            if self._processes is None or photo.in_memory or photo.face is not None:
                return self._here(photo)
            return self._processes.ask(photo.path)
        except RejectedImageError as error:
            return self._rejection(photo, error)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)
        if self._processes is not None:
            self._processes.close()
