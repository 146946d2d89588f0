"""The files of contact sheets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from facesearch.errors import FacesearchError, UsageError

if TYPE_CHECKING:
    from PIL import Image as Pillow

_KINDS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
_QUALITY = 88


def check_sheet(path: Path) -> None:
    """Raises `UsageError` for a file that no sheet can be written to, before anything is searched for."""
    if path.suffix.lower() not in _KINDS:
        raise UsageError(f"{path}: a contact sheet is a picture: name it .png or .jpg")
    check_place(path)


def check_place(path: Path) -> None:
    """Raises `UsageError` for a folder, and for a file that has no folder to be in."""
    if path.is_dir():
        raise UsageError(f"{path} is a folder")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"{path}: there is no folder for it")


@contextmanager
def all_or_none() -> Iterator[list[Path]]:
    """A list for the files that the block has written: they are deleted where it fails."""
    written: list[Path] = []
    try:
        yield written
    except BaseException:
        for path in written:
            with suppress(OSError):
                path.unlink(missing_ok=True)
        raise


def write_sheets(sheets: Iterable[Pillow.Image], path: Path) -> list[Path]:
    """Write as many sheets as there are, for their owner alone: people.png, people-2.png, …; returns their paths.

    All or none: where one cannot be written, those before it are deleted, and `FacesearchError` is raised.
    """
    from facesearch.files.durable import write_atomically

    kind = _KINDS[path.suffix.lower()]
    with all_or_none() as written:
        for number, sheet in enumerate(sheets, start=1):
            place = path if number == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}")
            try:
                write_atomically(place, lambda file: sheet.save(file, kind, quality=_QUALITY))  # noqa: B023 - called here
            except OSError as error:
                why = (error.strerror or str(error)).lower()
                raise FacesearchError(f"{place} cannot be written ({why})") from error
            written.append(place)
    return written
