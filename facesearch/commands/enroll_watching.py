"""facesearch enroll --watch: a line for each batch of photos that arrived, and a summary at the end."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import typer

from facesearch.commands.common import EXIT_REJECTED, print_json, say, say_rejected
from facesearch.commands.common import tell as tell_beside
from facesearch.commands.enrolment_told import say_remarks
from facesearch.text.figures import counted

if TYPE_CHECKING:
    from facesearch.errors import FacesearchError
    from facesearch.gallery.enrolment_report import EnrolmentReport
    from facesearch.gallery.gallery import Gallery
    from facesearch.gallery.watching import Enrol


def watch_folders(gallery: Gallery, roots: Sequence[Path], enrol: Enrol, *, json: bool, verbose: bool) -> None:
    """Watch until Ctrl-C or SIGTERM; ends with status 3 if any photo was rejected, and raises what `watch` does."""
    from facesearch.errors import FacesearchError
    from facesearch.gallery.watching import watch, without_file

    totals = {"templates": 0, "skipped": 0, "moved": 0, "left": 0, "rejected": 0, "batches": 0}
    tell_beside(f"watching {', '.join(map(str, roots))}; Ctrl-C ends")
    problem: FacesearchError | None = None
    with _ended_by_signals():
        try:
            for report, left in watch(gallery, roots, enrol=enrol, failed=_say_failed):
                totals["templates"] += report.templates
                totals["skipped"] += report.skipped
                totals["moved"] += len(report.moved)
                totals["left"] += left
                totals["rejected"] += len(report.rejected)
                totals["batches"] += 1
                _show(report, left, json=json, verbose=verbose)
        except KeyboardInterrupt:
            pass
        except FacesearchError as error:
            problem = error
    totals["without_file"] = without_file(gallery, roots) if problem is None else 0
    _summary(totals, json=json, error=problem)
    if problem is not None:
        raise problem if not json else typer.Exit(problem.exit_status)
    if totals["rejected"]:
        raise typer.Exit(EXIT_REJECTED)


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """SIGTERM and Ctrl-C end the block alike, also where Ctrl-C was ignored, as in the background of a script."""

    def end(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before: dict[int, Callable[[int, FrameType | None], object] | int | None] = {}
    for each in (signal.SIGTERM, signal.SIGINT):
        before[each] = signal.signal(each, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _show(report: EnrolmentReport, left: int, *, json: bool, verbose: bool) -> None:
    if json:
        _line({**report.document(), "left": left, "at": round(time.time(), 3)})
        return
    new = f"enrolled {counted(report.templates, 'photo')} of {counted(report.identities, 'person', 'people')}"
    parts = [new] if report.templates or not left else []
    if report.skipped:
        parts.append(f"skipped {report.skipped:,} enrolled before")
    if report.moved:
        parts.append(f"moved {counted(len(report.moved), 'photo')} to other people")
    if left:
        parts.append(f"{counted(left, 'file is', 'files are')} no longer there")
    if report.rejected:
        parts.append(f"rejected {len(report.rejected):,}")
    say(f"{time.strftime('%H:%M:%S')}  {', '.join(parts)}")
    say_remarks(report, verbose=verbose)
    say_rejected(report.rejected, verbose=verbose)
    sys.stdout.flush()


def _summary(totals: dict[str, int], *, json: bool, error: FacesearchError | None) -> None:
    if json:
        _line({"ended": True, **totals} | ({"error": str(error)} if error else {}))
        if error:
            tell_beside(f"error: {error}")
        return
    batches = counted(totals["batches"], "batch", "batches")
    say(f"ended: enrolled {counted(totals['templates'], 'photo')} in {batches}, rejected {totals['rejected']:,}")
    if totals["without_file"]:
        photos = counted(totals["without_file"], "photo that is enrolled has", "photos that are enrolled have")
        say(f"{photos} no file there any more: facesearch enroll --sync takes out what left")


def _say_failed(error: FacesearchError) -> None:
    tell_beside(f"warning: {error}; it is tried again")


def _line(document: dict[str, object]) -> None:
    """One JSON document in one line, at once."""
    print_json(document, indent=None)
    sys.stdout.flush()
