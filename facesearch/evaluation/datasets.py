"""Data sets: which photo is of whom, by layout, and what a folder holds.

Three layouts are read:

- `folders`: `<identity>/<image>`, as LFW and VGGFace2 have it. Where the folder holds only parts such as `train` and
  `test`, each with people in it (VGGFace2), the people of all parts are taken.
- `celeba`: `img_align_celeba/` with `identity_CelebA.txt` beside it, a line `<file name> <number>` per photo.
- `photos`: photos in any folders, every one of another person, as UTKFace.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from facesearch.errors import UnreadableImageError, UsageError
from facesearch.evaluation.results import DatasetFacts
from facesearch.photos.decoding import read_bytes, sha256
from facesearch.photos.lists import read_lines
from facesearch.photos.photo import Rejection, composed
from facesearch.photos.sources import from_paths, photos_within
from facesearch.text.figures import counted

_log = logging.getLogger("facesearch")

LAYOUTS = ("folders", "celeba", "photos")
CELEBA_LIST = "identity_CelebA.txt"
_CELEBA_FOLDERS = ("img_align_celeba", "img_celeba", "images")
_PARTS = frozenset({"train", "test", "val", "valid", "validation"})

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Sample:
    """One image of a data set: path relative to its folder, whose it is, SHA-256 of its content (None: unreadable)."""

    path: str
    identity: str
    sha256: bytes | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Dataset:
    """Images in order of identity and path; `sha256` is over identities, paths and contents."""

    name: str
    layout: str
    folder: Path
    samples: tuple[Sample, ...]

    @property
    def sha256(self) -> str:
        digest = hashlib.sha256()
        for sample in self.samples:
            content = sample.sha256.hex() if sample.sha256 else "-"
            digest.update(f"{sample.identity}\0{sample.path}\0{content}\n".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()

    def facts(self) -> DatasetFacts:
        """What the checker says: how many images, identities, exact duplicates and unreadable files."""
        per_person = Counter(sample.identity for sample in self.samples)
        contents = Counter(sample.sha256 for sample in self.samples if sample.sha256)
        return DatasetFacts(
            name=self.name,
            layout=self.layout,
            folder=os.fspath(self.folder),
            sha256=self.sha256,
            images=len(self.samples),
            identities=len(per_person),
            single=sum(count == 1 for count in per_person.values()),
            duplicates=sum(count - 1 for count in contents.values()),
            unreadable=sum(sample.sha256 is None for sample in self.samples),
        )

    def duplicates(self) -> list[tuple[Sample, ...]]:
        """Groups of images with the same content; several identities in one group mean a wrong label."""
        groups: dict[bytes, list[Sample]] = {}
        for sample in self.samples:
            if sample.sha256:
                groups.setdefault(sample.sha256, []).append(sample)
        return [tuple(group) for group in groups.values() if len(group) > 1]


def read_dataset(
    folder: Path, layout: str = "folders", *, limit: int | None = None, progress: Progress | None = None
) -> Dataset:
    """The data set in `folder`; `limit`: only its first so many images, in order of identity and path.

    Every file is read once, for its hash; files that cannot be read stay in, with the reason. What is no photo of
    anybody, and folders whose names cannot be a person's, are left out with a warning.
    Raises `UsageError` for a folder that is missing or holds no images of that layout, and for an unknown layout.
    """
    if layout not in LAYOUTS:
        raise UsageError(f"no layout is named '{layout}'; there are: {', '.join(LAYOUTS)}")
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder")
    readers = {"folders": _folders, "celeba": _celeba, "photos": _photos}
    labelled = readers[layout](folder)
    if not labelled:
        raise UsageError(f"{folder} holds no images of people: lay them out as {folder.name}/<identity>/<image>")
    ordered = sorted(labelled, key=lambda entry: (entry[1], entry[0]))
    return hashed(folder, layout, ordered if limit is None else ordered[:limit], progress)


def hashed(folder: Path, layout: str, labelled: Sequence[tuple[str, str]], progress: Progress | None = None) -> Dataset:
    """A data set of images (relative path, identity), each read for its hash."""
    samples = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for sample in pool.map(lambda entry: _sample(folder, *entry), labelled):
            samples.append(sample)
            if progress:
                progress(len(samples), len(labelled))
    return Dataset(folder.resolve().name, layout, folder, tuple(samples))


def _sample(folder: Path, path: str, identity: str) -> Sample:
    try:
        return Sample(path, identity, sha256(read_bytes(folder / path)))
    except UnreadableImageError as error:
        return Sample(path, identity, None, str(error))


def _folders(folder: Path) -> list[tuple[str, str]]:
    """(relative path, identity) of every photo in folders of people, one level deeper where there are only parts."""
    inside = [entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith(".")]
    parts = [entry for entry in inside if entry.name.lower() in _PARTS]
    found = from_paths(parts if parts and len(parts) == len(inside) else [folder])
    _warn_of(folder, found.rejected)
    return [(os.path.relpath(photo.path, folder), photo.identity) for photo in found.photos]


def _warn_of(folder: Path, rejected: Sequence[Rejection]) -> None:
    if rejected:
        first, count = rejected[0], counted(len(rejected), "entry", "entries")
        which = f"{first.path}: {first.reason}"
        _log.warning("%s of %s left out%s", count, folder, f": {which}" if len(rejected) == 1 else f", first {which}")


def _photos(folder: Path) -> list[tuple[str, str]]:
    paths = [os.path.relpath(path, folder) for path in photos_within(folder)]
    return [(path, path) for path in paths]


def _celeba(folder: Path) -> list[tuple[str, str]]:
    listing = _celeba_list(folder)
    images = next((folder / name for name in _CELEBA_FOLDERS if (folder / name).is_dir()), folder)
    labelled = []
    seen: dict[str, int] = {}
    for number, line in enumerate(read_lines(listing), start=1):
        words = line.split()
        if not words:
            continue
        if len(words) != 2:
            raise UsageError(f"{listing} line {number}: '<image> <identity>' is expected")
        name, identity = words
        if Path(name).name != name:
            raise UsageError(f"{listing} line {number}: '{name}' is no name of a file")
        if (before := seen.setdefault(name, number)) != number:
            raise UsageError(f"{listing} line {number}: '{name}' is listed already, on line {before}")
        labelled.append((os.path.relpath(images / name, folder), composed(identity)))
    return labelled


def _celeba_list(folder: Path) -> Path:
    places: Iterable[Path] = (folder / CELEBA_LIST, folder / "Anno" / CELEBA_LIST, folder.parent / CELEBA_LIST)
    for place in places:
        if place.is_file():
            return place
    raise UsageError(f"{folder} has no {CELEBA_LIST}: put it beside img_align_celeba")
