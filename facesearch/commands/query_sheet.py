"""The contact sheets of facesearch query."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from facesearch.commands import sheet_files
from facesearch.commands.common import progress_bar

if TYPE_CHECKING:
    from facesearch.errors import RejectedImageError
    from facesearch.gallery.answers import PhotoAnswers
    from facesearch.gallery.contact_sheet import SheetEntry
    from facesearch.gallery.gallery import Gallery
    from facesearch.photos.photo import Photo


def entry_of(photo: Photo, answers: PhotoAnswers | RejectedImageError) -> SheetEntry:
    """A photo that was asked about, as it goes on a sheet."""
    from facesearch.gallery.contact_sheet import SheetEntry
    from facesearch.photos.given import Probe

    return SheetEntry(str(photo.path), answers, Probe(photo.path if photo.pixels is None else photo.pixels))


def write_sheets(gallery: Gallery, entries: Sequence[SheetEntry], path: Path) -> list[Path]:
    """Write as many sheets as it takes; returns their paths."""
    with progress_bar("drawing", quiet=len(entries) < 5) as progress:
        return sheet_files.write_sheets(gallery.sheets(entries, progress), path)
