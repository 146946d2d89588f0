"""Folders of people that are watched: photos that arrive are enrolled, by the rules of any enrolment of folders."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from facesearch.errors import DiskFullError, FacesearchError, OvertakenError, StoreBusyError, UsageError
from facesearch.gallery.enrolment_report import EnrolmentReport
from facesearch.gallery.folder_truth import Folders
from facesearch.photos.arrivals import SETTLED, Arrivals
from facesearch.photos.photo import Photo

if TYPE_CHECKING:
    from facesearch.gallery.gallery import Gallery

Enrol = Callable[[Sequence[Photo], Folders], EnrolmentReport]

_TICK = 0.25  # seconds between looks while files are being written
_PATIENCE = 5.0  # seconds until what could not be stored is tried again
_PASSES = (StoreBusyError, OvertakenError, DiskFullError)


def require_watcher() -> None:
    """Raises `UsageError` where the package that watches folders is not installed."""
    try:
        import watchfiles  # noqa: F401
    except ImportError:
        raise UsageError("watching folders needs the package watchfiles: pip install 'facesearch[watch]'") from None


def watch(
    gallery: Gallery,
    roots: Sequence[Path],
    *,
    enrol: Enrol | None = None,
    failed: Callable[[FacesearchError], None] = lambda error: None,
    settled: float = SETTLED,
) -> Iterator[tuple[EnrolmentReport, int]]:
    """Enrol what is in folders of people, then what arrives, for as long as the caller goes on.

    enrol: enrols photos; by default `gallery.enroll_photos`. failed: told why photos cannot be stored for now, as where
    the disk is full; they are tried again. settled: seconds for which a file has to stay as it is, as it may still be
    being written.
    Yields for each batch its report, and how many photos taken before have left the folders. Raises `UsageError` where
    a folder is gone, `FacesearchError` for what does not pass.
    """
    require_watcher()
    arrivals = Arrivals(roots, settled)
    enrol = enrol or (lambda photos, folders: gallery.enroll_photos(photos, folders=folders))
    folders = Folders(tuple(roots), partial=True)
    arrivals.check()
    retry = 0.0
    with closing(_changes(roots)) as changes:
        for anything in _with_first(changes):
            arrivals.check()
            while anything:
                arrived = arrivals.look()
                if time.monotonic() >= retry and (arrived.photos or arrived.rejected or arrived.left):
                    try:
                        report = enrol(arrived.photos, folders) if arrived.photos else EnrolmentReport()
                    except _PASSES as error:
                        failed(error)
                        arrivals.again(arrived.photos)
                        retry = time.monotonic() + _PATIENCE
                    else:
                        report.rejected = [*arrived.rejected, *report.rejected]
                        yield report, arrived.left
                elif arrived.photos:
                    arrivals.again(arrived.photos)
                anything = arrived.waits or time.monotonic() < retry
                if anything:
                    time.sleep(_TICK)


def without_file(gallery: Gallery, roots: Sequence[Path]) -> int:
    """How many templates of photos that were in these folders have no file any more where it was found last."""
    within = gallery.parts.store.corrections.within([root.absolute() for root in roots])
    return sum(not os.path.lexists(info.path) for info in within)


def _with_first(changes: Iterator[bool]) -> Iterator[bool]:
    """The folders are looked at once they are being watched: nothing that arrives between is missed."""
    yield next(changes)
    yield True
    yield from changes


def _changes(roots: Sequence[Path]) -> Generator[bool, None, None]:
    """Whether there were changes, about once a second; the first time, watching has begun."""
    from watchfiles import watch as watched

    try:
        for changes in watched(
            *roots,
            watch_filter=None,
            debounce=500,
            rust_timeout=1000,
            yield_on_timeout=True,
            ignore_permission_denied=True,
        ):
            yield bool(changes)
    except (OSError, RuntimeError) as error:
        raise FacesearchError(f"the folders cannot be watched any longer ({' '.join(str(error).split())})") from None
