"""The contact sheets of facesearch query."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from facesearch.commands.common import progress_bar
from facesearch.errors import FacesearchError, UsageError

if TYPE_CHECKING:
    from facesearch.errors import RejectedImageError
    from facesearch.gallery.answers import PhotoAnswers
    from facesearch.gallery.contact_sheet import SheetEntry
    from facesearch.gallery.gallery import Gallery
    from facesearch.photos.photo import Photo

_KINDS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
_QUALITY = 88


def check_sheet(path: Path) -> None:
    """Raises `UsageError` for a file that no sheet can be written to, before anything is searched for."""
    if path.suffix.lower() not in _KINDS:
        raise UsageError(f"{path}: a contact sheet is a picture: name it .png or .jpg")
    if path.is_dir():
        raise UsageError(f"{path} is a folder")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"{path}: there is no folder for it")


def entry_of(photo: Photo, answers: PhotoAnswers | RejectedImageError) -> SheetEntry:
    """A photo that was asked about, as it goes on a sheet."""
    from facesearch.gallery.contact_sheet import SheetEntry
    from facesearch.photos.given import Probe

    return SheetEntry(str(photo.path), answers, Probe(photo.path if photo.pixels is None else photo.pixels))


def write_sheets(gallery: Gallery, entries: Sequence[SheetEntry], path: Path) -> list[Path]:
    """Write as many sheets as it takes, for their owner alone: people.png, people-2.png, …; returns their paths."""
    from facesearch.files.durable import write_atomically

    kind, written = _KINDS[path.suffix.lower()], []
    with progress_bar("drawing", quiet=len(entries) < 5) as progress:
        for number, sheet in enumerate(gallery.sheets(entries, progress), start=1):
            place = path if number == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}")
            try:
                write_atomically(place, lambda file: sheet.save(file, kind, quality=_QUALITY))  # noqa: B023 - called here
            except OSError as error:
                raise FacesearchError(
                    f"{place} cannot be written ({(error.strerror or str(error)).lower()})"
                ) from error
            written.append(place)
    return written
