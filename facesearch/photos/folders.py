"""The photos in a folder and below it: each folder is read once, and what is left out is counted."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Collection
from pathlib import Path

from facesearch.errors import UsageError
from facesearch.photos.file_kinds import HIDDEN, left_out_as
from facesearch.photos.photo import Rejection

READ_ELSEWHERE = "link to a folder read elsewhere"

Place = tuple[int, int]
"""A folder by whatever name: its device and its number there."""


def entries(folder: Path) -> list[Path]:
    """What is in a folder, by name; raises `UsageError` where it cannot be read."""
    try:
        return sorted(folder.iterdir(), key=lambda entry: entry.name)
    except OSError as error:
        raise UsageError(f"{folder} cannot be read ({(error.strerror or 'error').lower()})") from None


def place(path: Path) -> Place | None:
    """Where a folder is, through links; None for what is no folder, or cannot be looked at."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISDIR(found.st_mode) else None


def places_above(folder: Path) -> set[Place]:
    """A folder and all that it lies in."""
    whole = Path(os.path.realpath(folder))
    return {found for each in (whole, *whole.parents) if (found := place(each)) is not None}


def photos_below(
    folder: Path, left_out: Counter[str], unreadable: list[Rejection], apart: Collection[Place] = ()
) -> list[Path]:
    """The photos in a folder and in those inside it, the ones of a folder before those further down.

    left_out: counts the other files, and links that lead to a folder read already, to one above, or to one of `apart`.
    unreadable: takes folders inside that cannot be read. Raises `UsageError` where the folder itself cannot be.
    """
    seen = places_above(folder).union(apart)
    photos: list[Path] = []
    waiting = [folder]
    while waiting:
        current = waiting.pop()
        try:
            found = entries(current)
        except UsageError as error:
            if current == folder:
                raise
            unreadable.append(Rejection(str(current), str(error)))
            continue
        inside = []
        for entry in found:
            here = place(entry)
            if here is None:
                _sort_in(entry, photos, left_out)
            elif entry.name.startswith("."):
                left_out[HIDDEN] += 1
            elif here in seen:
                left_out[READ_ELSEWHERE] += 1
            else:
                seen.add(here)
                inside.append(entry)
        waiting += reversed(inside)
    return photos


def _sort_in(entry: Path, photos: list[Path], left_out: Counter[str]) -> None:
    kind = left_out_as(entry)
    if kind is None:
        photos.append(entry)
    else:
        left_out[kind] += 1
