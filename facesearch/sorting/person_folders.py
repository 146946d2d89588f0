"""Clusters -> a folder of photos for each, and one for faces that are alone: copies of the photos, or links to them."""

from __future__ import annotations

import os
import shutil
import unicodedata
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from facesearch.errors import FacesearchError, UsageError
from facesearch.files.new_folder import check_new_folder, new_folder
from facesearch.files.regular import open_regular
from facesearch.files.termination import ending_tidily
from facesearch.photos.photo import Rejection
from facesearch.sorting.photo_clusters import ClusteredFace, PhotoClusters

Progress = Callable[[int, int], None]  # (photos done, photos in all)

ALONE = "alone"
_LONGEST_NAME = 255  # bytes


@dataclass(frozen=True, slots=True)
class FoldersReport:
    """What was written. folder: None where there was nothing to write. photos: how many photos are in the folders;
    files: how many files, as a photo of several people is there several times. hard_links: whether links are hard ones,
    as the file system has no symbolic ones. gone: photos that cannot be read any more, and why."""

    folder: Path | None
    folders: list[str]
    photos: int
    files: int
    hard_links: bool
    gone: list[Rejection]


def check_folder(target: Path, photos: Path) -> None:
    """See that folders of people may be written to `target`, before the photos in the folder `photos` are looked at.

    Raises `UsageError` for a folder that is not empty, and for one among the photos: it would be sorted the next time.
    """
    check_new_folder(target)
    check_elsewhere(target, photos)


def check_elsewhere(target: Path, photos: Path) -> None:
    """See that pictures may be written to `target`; raises `UsageError` for a place among the photos."""
    if Path(os.path.realpath(target)).is_relative_to(os.path.realpath(photos)):
        raise UsageError(f"{target} lies in {photos}, whose photos are to be sorted: name a place elsewhere")


def write_folders(
    found: PhotoClusters, target: str | os.PathLike[str], *, link: bool = False, progress: Progress | None = None
) -> FoldersReport:
    """Make the folder `target` with the folders 001, 002, … and `alone`, each with the photos of its faces.

    A photo of several people is in several of them. link: symbolic links to the photos in place of copies; hard ones
    where the file system has no symbolic ones. `target` has to be empty or not there, and is written whole or not at
    all. Raises `UsageError` where it is not empty, `FacesearchError` where it cannot be written.
    """
    target = Path(target)
    folders = {found.label(number): _paths(faces) for number, faces in enumerate(found.clusters(), start=1)}
    if alone := _paths(found.alone()):
        folders[ALONE] = alone
    if not folders:
        return FoldersReport(None, [], 0, 0, False, [])
    writer = _Writer(link)
    total, done = sum(map(len, folders.values())), 0
    try:
        with ending_tidily(), new_folder(target) as staged:
            for name, paths in folders.items():
                (staged / name).mkdir()
                taken: set[str] = set()
                for path in paths:
                    writer.put(path, staged / name / _free_name(path.name, taken))
                    done += 1
                    if progress:
                        progress(done, total)
    except OSError as error:
        raise FacesearchError(f"{target} cannot be written ({(error.strerror or str(error)).lower()})") from error
    gone = {item.path for item in writer.gone}
    photos = {path for paths in folders.values() for path in paths if str(path) not in gone}
    files = total - len(writer.gone)
    return FoldersReport(target, list(folders), len(photos), files, writer.hard_links, writer.gone)


def _paths(faces: list[ClusteredFace]) -> list[Path]:
    return list(dict.fromkeys(face.path for face in faces))


def _free_name(name: str, taken: set[str]) -> str:
    """A name for a file, with a number where it is taken, also where upper and lower case are the same."""
    path, number, free = Path(name), 1, name
    while (key := unicodedata.normalize("NFC", free).casefold()) in taken:
        number += 1
        end = f"-{number}{path.suffix}"
        free = os.fsdecode(os.fsencode(path.stem)[: _LONGEST_NAME - len(os.fsencode(end))]) + end
    taken.add(key)
    return free


class _Writer:
    """Puts photos into folders, as copies or as links."""

    def __init__(self, link: bool) -> None:
        self._put = _link if link else _copy
        self.hard_links = False
        self.gone: list[Rejection] = []

    def put(self, source: Path, target: Path) -> None:
        """Raises OSError where there is no room for it; what cannot be read is remembered in `gone`."""
        try:
            open_regular(source).close()
        except OSError as error:
            self.gone.append(Rejection(str(source), f"it is gone: {(error.strerror or str(error)).lower()}"))
            return
        try:
            self._put(source, target)
        except OSError:
            if self._put is not _link:
                raise
            self._put, self.hard_links = _hard_link, True
            self._put(source, target)


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
    with suppress(OSError):  # some file systems keep no times and modes
        shutil.copystat(source, target)


def _link(source: Path, target: Path) -> None:
    target.symlink_to(source.absolute())


def _hard_link(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(os.path.realpath(source))
    except OSError as error:
        raise OSError(error.errno, "links cannot be made there: leave --link out", str(target)) from error
