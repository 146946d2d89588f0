"""Which photos are of whom: folders of people, single files, CSV lists."""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from facesearch.errors import UnreadableImageError, UsageError
from facesearch.photos.decoding import MAX_BYTES, decode
from facesearch.photos.file_kinds import HIDDEN, left_out_as
from facesearch.photos.folders import READ_ELSEWHERE, Place, entries, photos_below, place, places_above
from facesearch.photos.lists import read_table
from facesearch.photos.photo import Photo, Rejection, composed
from facesearch.text.characters import shown_as_code_point, unseen_in_name, without_unseen
from facesearch.text.figures import counted

_MOST_SUFFIXES = 8  # named in a sentence
STANDARD_INPUT = Path("-")
_URL = re.compile(r"(https?|ftp|s3|gs|file):/+", re.IGNORECASE)


@dataclass(slots=True)
class Sources:
    """The photos found; entries that are no photos of anybody; what was left out, counted by suffix.

    sub_folders: folders inside people's folders whose photos were taken.
    """

    photos: list[Photo] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    sub_folders: int = 0

    @property
    def ignored(self) -> int:
        """How many files were left out."""
        return self.left_out.total()


def left_out_in_words(left_out: Counter[str]) -> str:
    """What was left out, in a line: "left out 5 files: 3 .xmp, 1 .cr2, 1 hidden"."""
    common = left_out.most_common(_MOST_SUFFIXES)
    parts = [f"{count:,} {kind}" for kind, count in common]
    if len(left_out) > len(common):
        parts.append(f"{left_out.total() - sum(count for _, count in common):,} others")
    return f"left out {counted(left_out.total(), 'file')}: {', '.join(parts)}"


def from_paths(paths: Iterable[Path], identity: str | None = None) -> Sources:
    """Photos from folders `<identity>/<image>`, or, where `identity` is given, from files and folders of that person.

    Folders inside a person's folder belong to that person. Names of folders are taken in Unicode's composed form,
    without what cannot be seen in them, so that the same person has the same name on every system. Files that are no
    photos are left out and counted; so are links to folders that are read anyway.
    Raises `UsageError` for a folder that is missing, a URL, or a single file without `identity`.
    """
    found = Sources()
    for path in paths:
        refuse_url(path)
        if identity is not None:
            _add_of_one_person(found, path, composed(identity))
        elif path.is_dir():
            _add_people(found, path)
        elif path.exists():
            raise UsageError(f"{path} is a single file: say whose photo it is with --identity NAME")
        else:
            raise UsageError(f"{path}: no such file or folder")
    return found


def from_manifest(manifest: Path) -> Sources:
    """Photos from a CSV file with the columns `identity` and `path`; paths are relative to the file's folder.

    Cells may also be separated by semicolons or tabs; the titles of the columns may be in capitals.
    """
    found = Sources()
    rows = read_table(manifest)
    titles = [title.strip().lower() for title in next(rows, (0, []))[1]]
    missing = [title for title in ("identity", "path") if title not in titles]
    if missing:
        there = f"its columns are {', '.join(map(repr, titles))}" if titles else "it is empty"
        raise UsageError(f"{manifest} has no column {' and no column '.join(missing)}: {there}")
    places = titles.index("identity"), titles.index("path")
    for line, row in rows:
        name, path = (row[place].strip() if place < len(row) else "" for place in places)
        if not name or not path:
            found.rejected.append(Rejection(path or name, f"line {line} has an empty column", decision=True))
        elif _URL.match(path):
            reason = f"line {line} names a URL: photos are not fetched, download it"
            found.rejected.append(Rejection(path, reason, decision=True))
        else:
            found.photos.append(Photo(composed(without_unseen(name)), manifest.parent / path))
    return found


def refuse_url(path: Path) -> None:
    """Raises `UsageError` for what was meant as the address of a photo and not as a file that is here."""
    text = os.fspath(path)
    if (begin := _URL.match(text)) and not path.exists():
        raise UsageError(f"{begin[1]}://{text[begin.end() :]} is a URL: photos are not fetched, download it first")


def of_anybody(paths: Iterable[Path]) -> Sources:
    """Photos of people nobody has named, from files and folders, those of a folder in order of path.

    The path `-` is a photo from standard input, given as pixels. Raises `UsageError` for a URL, for a folder without
    photos, and where standard input is a terminal or asked for twice.
    """
    found = Sources()
    for path in paths:
        refuse_url(path)
        if path == STANDARD_INPUT:
            _add_standard_input(found)
        elif not path.is_dir():
            found.photos.append(Photo("", path))
        elif below := sorted(photos_below(path, found.left_out, found.rejected)):
            found.photos += [Photo("", photo) for photo in below]
        else:
            raise UsageError(f"{path} holds no photos")
    return found


def _add_standard_input(found: Sources) -> None:
    if any(photo.path == STANDARD_INPUT for photo in found.photos):
        raise UsageError("- can be given once: standard input holds one photo")
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError("standard input is a terminal: send a photo, as in facesearch query - < photo.jpg")
    try:
        found.photos.append(Photo("", STANDARD_INPUT, decode(sys.stdin.buffer.read(MAX_BYTES + 1))))
    except UnreadableImageError as error:
        found.rejected.append(Rejection(str(STANDARD_INPUT), str(error)))


def photos_within(folder: Path) -> list[Path]:
    """The photos in a folder and in the folders inside it, of whomever, in order of path; nothing that is hidden."""
    return sorted(photos_below(folder, Counter(), []))


def _add_people(found: Sources, folder: Path) -> None:
    inside = entries(folder)
    apart = places_above(folder) | {there for entry in inside if not entry.is_symlink() and (there := place(entry))}
    for entry in inside:
        if entry.name.startswith("."):
            found.left_out[HIDDEN] += 1
        elif (there := place(entry)) is not None:
            if entry.is_symlink() and there in apart:
                found.left_out[READ_ELSEWHERE] += 1
            else:
                _add_person(found, entry, apart - {there})
        elif (kind := left_out_as(entry)) is not None:
            found.left_out[kind] += 1
        else:
            reason = "lies outside of a person's folder: move it into one, or use --identity NAME"
            found.rejected.append(Rejection(str(entry), reason, decision=True))


def _add_person(found: Sources, folder: Path, apart: Collection[Place]) -> None:
    """One person's folder. Where it cannot be read, or its name cannot be a person's, it is rejected as one."""
    name = composed(without_unseen(folder.name))
    if not name or (character := unseen_in_name(name)) is not None:
        what = shown_as_code_point(character) if name and character else "nothing that can be seen"
        found.rejected.append(Rejection(str(folder), f"its name holds {what}: rename the folder", decision=True))
        return
    try:
        _add_of_one_person(found, folder, name, apart)
    except UsageError as error:
        found.rejected.append(Rejection(str(folder), str(error)))


def _add_of_one_person(found: Sources, path: Path, identity: str, apart: Collection[Place] = ()) -> None:
    if not path.is_dir():
        found.photos.append(Photo(identity, path))
        return
    below = photos_below(path, found.left_out, found.rejected, apart)
    found.sub_folders += len({photo.parent for photo in below} - {path})
    found.photos += [Photo(identity, photo) for photo in below]
