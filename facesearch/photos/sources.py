"""Which photos are of whom: folders of people, single files, CSV lists."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from facesearch.errors import UsageError
from facesearch.photos.photo import Photo, Rejection, composed

_FORMATS = "jpg jpeg jpe jfif mpo png webp bmp dib heic heif hif avif gif tif tiff jp2 j2k jpx tga ppm pgm pbm pnm"
_FORMATS += " raw dng cr2 cr3 nef arw raf orf rw2 jxl"
PHOTO_SUFFIXES = tuple(f".{name}" for name in _FORMATS.split())
"""What cameras, phones and browsers write, the commonest first; not all of it can be read here."""


@dataclass(slots=True)
class Sources:
    """The photos found; entries that are no photos of anybody; the number of other files left out."""

    photos: list[Photo] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)
    ignored: int = 0


def from_paths(paths: Iterable[Path], identity: str | None = None) -> Sources:
    """Photos from folders `<identity>/<image>`, or, where `identity` is given, from files and folders of that person.

    Names are taken in Unicode's composed form, so that the same person has the same name on every system. Hidden files
    and files with the suffix of something else than a photo are ignored and counted.
    Raises `UsageError` for a folder that is missing, or a single file without `identity`.
    """
    found = Sources()
    for path in paths:
        if identity is not None:
            _add_of_one_person(found, path, identity)
        elif path.is_dir():
            _add_people(found, path)
        elif path.exists():
            raise UsageError(f"{path} is a single file: say whose photo it is with --identity NAME")
        else:
            raise UsageError(f"{path}: no such file or folder")
    return found


def from_manifest(manifest: Path) -> Sources:
    """Photos from a CSV file with the columns `identity` and `path`; paths are relative to the file's folder."""
    found = Sources()
    try:
        with manifest.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            missing = {"identity", "path"} - set(rows.fieldnames or [])
            if missing:
                raise UsageError(f"{manifest} has no column {' and no column '.join(sorted(missing))}")
            for row in rows:
                name, path = (row["identity"] or "").strip(), (row["path"] or "").strip()
                if not name or not path:
                    found.rejected.append(Rejection(path or name, f"line {rows.line_num} has an empty column"))
                    continue
                found.photos.append(Photo(composed(name), manifest.parent / path))
    except OSError as error:
        raise UsageError(f"{manifest} cannot be read ({(error.strerror or 'error').lower()})") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{manifest} is not a CSV file in UTF-8 ({error})") from None
    return found


def _add_people(found: Sources, folder: Path) -> None:
    for entry in _entries(folder):
        if entry.name.startswith("."):
            found.ignored += 1
        elif entry.is_dir():
            try:
                _add_of_one_person(found, entry, entry.name)
            except UsageError as error:  # one folder that cannot be read; the others can
                found.rejected.append(Rejection(str(entry), str(error)))
        elif is_photo_name(entry.name):
            reason = "lies outside of a person's folder: move it into one, or use --identity NAME"
            found.rejected.append(Rejection(str(entry), reason))
        else:
            found.ignored += 1


def _add_of_one_person(found: Sources, path: Path, identity: str) -> None:
    if not path.is_dir():
        found.photos.append(Photo(composed(identity), path))
        return
    for entry in _entries(path):
        if entry.name.startswith("."):
            found.ignored += 1
        elif is_photo_name(entry.name) or entry.is_dir():  # a folder is rejected with that reason when it is read
            found.photos.append(Photo(composed(identity), entry))
        else:
            found.ignored += 1


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir(), key=lambda entry: entry.name)
    except OSError as error:
        raise UsageError(f"{folder} cannot be read ({(error.strerror or 'error').lower()})") from None


def is_photo_name(name: str) -> bool:
    """Whether a file of this name is meant as a photo: one with a photo's suffix, or with none."""
    suffix = Path(name).suffix.lower()
    return not suffix or suffix in PHOTO_SUFFIXES


def photos_within(folder: Path) -> list[Path]:
    """The photos in a folder and in the folders inside it, of whomever, in order of path; nothing that is hidden."""
    return sorted(
        path
        for path in folder.rglob("*")
        if is_photo_name(path.name)
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
    )
