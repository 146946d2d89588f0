"""Many photos looked at at once: by the threads of this process, by processes, or by the workers of a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Generic, Self, TypeVar

from facesearch.errors import RejectedImageError
from facesearch.photos.photo import Photo
from facesearch.pipeline.tasks import Answer, Task
from facesearch.pipeline.worker_pool import WORTH_PROCESSES, WorkerPool
from facesearch.pipeline.workers import Workers

if TYPE_CHECKING:
    from facesearch.pipeline.dask_pool import DaskPool

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
        self._cluster: DaskPool[T] | None = None

    @property
    def ahead(self) -> int:
        return _AHEAD if self._cluster is None else self._cluster.ahead

    def expect(self, photos: int) -> None:
        if self._workers.cluster is not None:
            self._cluster = self._cluster or _cluster(self._workers.cluster, self._task)
            self._cluster.expect(photos)
            return
        many = self._workers.by_name and self._workers.at_once > 1 and photos >= WORTH_PROCESSES
        if many and self._processes is None:
            self._processes = WorkerPool(self._workers.at_once, self._task)

    def submit(self, photos: Sequence[Photo]) -> list[Future[T]]:
        if self._cluster is None:
            return [self._threads.submit(self._made, photo, self._alone) for photo in photos]
        said = iter(self._cluster.submit([photo for photo in photos if _for_others(photo)]))
        made = []
        for photo in photos:
            make = _awaiting(self._cluster, next(said)) if _for_others(photo) else self._here
            made.append(self._threads.submit(self._made, photo, make))
        return made

    def each(self, function: Callable[[A], B], values: Iterable[A]) -> list[B]:
        """A function of each value, by threads of this process."""
        return list(self._threads.map(function, values))

    def _made(self, photo: Photo, make: Callable[[Photo], T]) -> T:
        try:
            return make(photo)
        except RejectedImageError as error:
            return self._rejection(photo, error)

    def _alone(self, photo: Photo) -> T:
        """Without a cluster."""
        if self._processes is None or not _for_others(photo):
            return self._here(photo)
        return self._processes.ask(photo.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._cluster is not None:
            self._cluster.close()  # nobody waits for it any more
        self._threads.shutdown(wait=True, cancel_futures=True)
        if self._processes is not None:
            self._processes.close()


def _for_others(photo: Photo) -> bool:
    """Whether others than this process can look at a photo: those in memory, and chosen faces, are for it alone."""
    return not photo.in_memory and photo.face is None


def _awaiting(cluster: DaskPool[T], said: Future[Answer]) -> Callable[[Photo], T]:
    return lambda _: cluster.read(said)


def _cluster(address: str, task: Task[T]) -> DaskPool[T]:
    from facesearch.pipeline.dask_pool import DaskPool  # an extra

    return DaskPool(address, task)
