"""What is kept in `$FACESEARCH_HOME`, of which kinds, how much of it; and deleting it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from facesearch.caches import template_cache
from facesearch.errors import FacesearchError
from facesearch.files import locations


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of what is kept: its folders in `home`, and in words what it is. computed: deleting it costs time only.

    holds_templates: whether the number of rows in it can be counted.
    """

    name: str
    folders: tuple[str, ...]
    what: str
    computed: bool = True
    holds_templates: bool = False


TEMPLATES = Kind("templates", ("cache/faces", "cache/templates"), "faces and templates of photos", holds_templates=True)
CODECS = Kind("codecs", ("cache/codecs",), "codebooks learnt from templates, and templates coded with them")
RESULTS = Kind("results", ("cache/searches",), "results of searches")
TIMINGS = Kind("timings", ("cache/timings",), "how fast encoders are on this machine")
RUNS = Kind("runs", ("runs",), "evaluations for facesearch report, with paths of their hardest errors", computed=False)
MODELS = Kind("models", ("models",), "encoders that were pulled, imported or quantized", computed=False)
PROJECTIONS = Kind("projections", ("projections",), "index files of galleries on servers")
CLEARED = (TEMPLATES, CODECS, RESULTS, TIMINGS, RUNS)
"""Kinds that can be deleted."""


@dataclass(frozen=True, slots=True)
class Kept:
    """How much there is of a kind. templates: rows under the hash of a photo; None where they are not counted.

    unreadable: files and folders that cannot be looked at.
    """

    kind: str
    folders: tuple[str, ...]
    what: str
    files: int
    bytes: int
    templates: int | None
    unreadable: int

    def document(self) -> dict[str, Any]:
        return asdict(self)


def kept(kinds: Sequence[Kind] = (*CLEARED, PROJECTIONS, MODELS), *, rows: bool = True) -> list[Kept]:
    """What there is, of every kind, also models. rows: count templates as well, for which all their files are read."""
    return [_kept(kind, rows=rows and kind.holds_templates) for kind in kinds]


def clear(kinds: Sequence[Kind]) -> int:
    """Delete all that is kept of these kinds, also what killed processes left; returns how many files.

    Raises `FacesearchError` naming the first that could not be deleted, after all others have been.
    """
    deleted, failed = 0, []
    for kind in kinds:
        for folder in folders_of(kind):
            done, left = remove_below(folder)
            deleted += done
            failed += left
    if failed:
        more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
        raise FacesearchError(f"{failed[0]} cannot be deleted{more}: is it yours?")
    return deleted


def folders_of(kind: Kind) -> list[Path]:
    return [locations.home() / folder for folder in kind.folders]


def remove_below(folder: Path) -> tuple[int, list[str]]:
    """Delete all files and folders in a folder; returns how many files, and the paths of what is still there.

    Links are deleted, not followed.
    """
    deleted, left = 0, list[str]()
    if folder.is_symlink():
        folder = folder.resolve()
    for where, folders, files in os.walk(folder, topdown=False, onerror=_reported(left)):
        for name in files:
            try:
                Path(where, name).unlink(missing_ok=True)
                deleted += 1
            except OSError:
                left.append(os.path.join(where, name))  # noqa: PTH118
        for name in folders:
            with suppress(OSError):  # not empty: what is in it has been reported, or came meanwhile
                inner = Path(where, name)
                inner.unlink() if inner.is_symlink() else inner.rmdir()
    return deleted, left


def files_below(folder: Path, left: list[str] | None = None) -> Iterator[Path]:
    """The files in a folder and in those inside it; `left` takes the folders that cannot be read."""
    for where, _, files in os.walk(folder, onerror=None if left is None else _reported(left)):
        yield from (Path(where, name) for name in sorted(files))


def _reported(left: list[str]) -> Callable[[OSError], None]:
    def report(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            left.append(os.fspath(error.filename))

    return report


def _kept(kind: Kind, *, rows: bool) -> Kept:
    files, size, templates, unreadable = 0, 0, 0, list[str]()
    for folder in folders_of(kind):
        for path in files_below(folder, unreadable):
            try:
                size += path.lstat().st_size
                files += 1
                if rows and folder.name == "templates":
                    templates += len(template_cache.contents(path))
            except OSError:
                unreadable.append(os.fspath(path))
            except ValueError:  # damaged, or half of one
                continue
    folders, counted = tuple(map(str, folders_of(kind))), templates if rows else None
    return Kept(kind.name, folders, kind.what, files, size, counted, len(unreadable))
