"""Back a gallery up into one file while it is in use, and put it back.

A backup is one moment of the database, copied by SQLite while others go on reading and writing (from a server: row by
row into such a database), and the index files that belong to that moment, so that the restored gallery answers as this
one does. Both are put together in a temporary folder beside their place and are there whole or not at all. Onto a
server a gallery is copied from such a folder (`facesearch.gallery.copying`).
"""

from __future__ import annotations

import dataclasses
import logging
import shutil
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from facesearch import __version__
from facesearch.errors import BackupError, IndexStateError, StoreError, UsageError
from facesearch.files.durable import put_file, put_folder
from facesearch.files.locations import home
from facesearch.files.permissions import make_private_folder, open_private, share_alike
from facesearch.files.termination import ending_tidily
from facesearch.gallery.answers import Document
from facesearch.gallery.archive import DATABASE, INDEX_NAME, About, Archive, Progress, open_archive, write_archive
from facesearch.gallery.carried_index import opened_files
from facesearch.gallery.copying import copied
from facesearch.gallery.folder import check_new_file, strange_names
from facesearch.gallery.index_files import IndexFiles
from facesearch.gallery.place import Opened, Place
from facesearch.gallery.returning import Returned, returned
from facesearch.gallery.scratch import remove_unfinished, scratch_folder
from facesearch.store import Copying, IndexState, SqliteStore, SqlStore, open_store
from facesearch.store.sqlite.snapshot import is_plain, sole_user
from indexes import VectorIndexError

_log = logging.getLogger("facesearch")

_WITHOUT = "the backup is made without it, restoring builds a new one"
_ATTEMPTS = 3  # to find database and index file of the same moment


@dataclass(frozen=True, slots=True)
class BackupReport:
    """What was backed up. has_index: else restoring builds the index anew."""

    path: Path
    bytes: int
    identities: int
    templates: int
    has_index: bool

    def document(self) -> Document:
        return {
            "file": str(self.path),
            "bytes": self.bytes,
            "identities": self.identities,
            "templates": self.templates,
            "index": self.has_index,
        }


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """What was restored. folder: or the URL of a gallery on a server, without a password. made_at: when the backup was
    made, epoch seconds.

    returned: people who had been forgotten in the gallery replaced, after the backup was made, and are back;
    returned_faces: unknown faces, by number, that had gone with people forgotten. knows_forgotten: whether the gallery
    replaced could say so; without one, or with another one, people who were forgotten since come back unsaid.
    """

    folder: Path | str
    identities: int
    templates: int
    has_index: bool
    made_at: int
    returned: tuple[str, ...]
    returned_faces: tuple[int, ...] = ()
    knows_forgotten: bool = True

    def document(self) -> Document:
        return {
            "gallery": str(self.folder),
            "identities": self.identities,
            "templates": self.templates,
            "index": self.has_index,
            "made_at": self.made_at,
            "returned": list(self.returned),
            "returned_faces": [f"f{number}" for number in self.returned_faces],
            "knows_forgotten": self.knows_forgotten,
        }


def back_up(
    store: SqlStore, folder: Path, target: Path, *, overwrite: bool = False, progress: Progress | None = None
) -> BackupReport:
    """Write the gallery in `folder`, open as `store`, into the file `target`; others may go on using it.

    Raises `UsageError` for a target that is there (unless `overwrite`) or lies in the gallery's folder, `BackupError`
    for a gallery that is damaged or a target that cannot be written.
    """
    progress = progress or _silent
    check_new_file(target, folder, "the backup", overwrite=overwrite)
    remove_unfinished(folder)
    try:
        with ending_tidily(), scratch_folder(target, recorded_in=folder) as scratch:
            made = _backed_up(store, folder, target, scratch, progress)
    except OSError as error:
        raise BackupError(f"{target} cannot be written ({(error.strerror or str(error)).lower()})") from error
    try:
        store.audit.add("backup", detail={"templates": made.templates, "identities": made.identities})
    except StoreError as error:
        _log.warning("%s; the gallery does not know that this backup was made", error)
    return made


def restore(archive: Path, place: Place, *, replace: bool = False, progress: Progress | None = None) -> RestoreReport:
    """Put the gallery in `archive` into a folder which is not there, empty, or a gallery to be replaced as a whole; or
    onto a server, where there is none yet.

    Raises `UsageError` for a place with anything else in it, `BackupError` for an archive that is none or is damaged;
    `StoreBusyError` where the gallery to be replaced is in use. The folder is then as it was.
    """
    progress = progress or _silent
    if isinstance(place, str):
        return _onto_server(archive, place, replace, progress)
    folder = place.resolve()
    _check_folder(folder, replace)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with ending_tidily() as ending, scratch_folder(folder) as staged, open_archive(archive) as opened:
            if folder.exists():
                share_alike(folder, staged)
            _extract(opened, staged, folder.parent, progress)
            report = _looked_over(staged, folder, opened.made_at)
            with ending.later(), ExitStack() as holding:
                if (folder / DATABASE).exists():
                    holding.enter_context(sole_user(folder / DATABASE))
                put_folder(staged, folder)
            return report
    except OSError as error:
        raise BackupError(f"{folder} cannot be written ({(error.strerror or str(error)).lower()})") from error


# inside


def _onto_server(archive: Path, url: str, replace: bool, progress: Progress) -> RestoreReport:
    if replace:
        raise UsageError("a gallery on a server is not replaced, as others may use it: restore under another name")
    top = home()
    try:
        make_private_folder(top)
        with ending_tidily(), scratch_folder(top / "restored") as staged, open_archive(archive) as opened:
            _extract(opened, staged, top, progress)
            report = _looked_over(staged, None, opened.made_at)
            with open_store(staged, create=False) as store:
                copying = Copying(f"backup {opened.members[0].sha256}", str(archive))
                made = copied(Opened(store, staged), copying, url, progress)
            return dataclasses.replace(report, folder=made.target, has_index=made.has_index)
    except OSError as error:
        raise BackupError(f"{top} cannot be written ({(error.strerror or str(error)).lower()})") from error


def _extract(opened: Archive, staged: Path, beside: Path, progress: Progress) -> None:
    needed = sum(member.bytes for member in opened.members)
    if needed > shutil.disk_usage(staged).free:
        raise BackupError(f"there is no room for {needed} bytes in {beside}")
    opened.extract(staged, progress)


def _backed_up(store: SqlStore, folder: Path, target: Path, scratch: Path, progress: Progress) -> BackupReport:
    with ExitStack() as files:
        try:
            snapshot, indexes, state = _same_moment(store, folder, scratch, files, progress)
            with snapshot:
                if problems := snapshot.integrity_check():
                    raise BackupError(f"the gallery is damaged and was not backed up: {problems[0]}")
                if state and not indexes:
                    snapshot.index_state.discard_files(state.file_names)
                counts, encoder = snapshot.templates.counts(), snapshot.settings.encoder()
                now = int(time.time())
        except StoreError as error:  # of the copy: the user knows it by the file that it is to become
            raise type(error)(str(error).replace(str(scratch / DATABASE), str(target))) from error
        members: list[tuple[str, BinaryIO]] = [(DATABASE, files.enter_context((scratch / DATABASE).open("rb")))]
        members += indexes
        about: About = {
            "made_at": now,
            "facesearch": __version__,
            "encoder": str(encoder) if encoder else None,
            "index": state.kind if state else None,
            "identities": counts.identities,
            "templates": counts.templates,
        }
        with open_private(scratch / "archive") as file:
            write_archive(file, members, about, progress)
        size = (scratch / "archive").stat().st_size
        put_file(scratch / "archive", target)
    return BackupReport(target, size, counts.identities, counts.templates, bool(indexes))


def _silent(done: int, total: int) -> None:
    pass


def _same_moment(
    store: SqlStore, folder: Path, scratch: Path, files: ExitStack, progress: Progress
) -> tuple[SqliteStore, list[tuple[str, BinaryIO]], IndexState | None]:
    """A copy of the database and the open index files it names; none where one is damaged or they keep changing."""
    path = scratch / DATABASE
    for attempt in range(_ATTEMPTS):
        before = store.index_state.read()
        indexes = opened_files(folder, before, files, _WITHOUT)
        path.unlink(missing_ok=True)
        store.snapshot(path, progress)
        snapshot = open_store(scratch)
        state = snapshot.index_state.read()
        if state == before or attempt == _ATTEMPTS - 1:
            return snapshot, indexes if state == before else [], state
        snapshot.close()
    raise AssertionError


def _check_folder(folder: Path, replace: bool) -> None:
    if not folder.exists():
        return
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder")
    names = sorted(entry.name for entry in folder.iterdir())
    strange = strange_names(folder)
    if names and not replace:
        raise UsageError(f"{folder} is not empty: choose another folder, or --replace to take the gallery's place")
    if strange:
        raise UsageError(f"{folder} also holds {strange[0]!a}, which is no part of a gallery: nothing was replaced")


def _looked_over(staged: Path, replaced: Path | None, made_at: int) -> RestoreReport:
    """Open what was unpacked, see that it is a sound gallery, and count."""
    try:
        if not is_plain(staged / DATABASE):
            raise BackupError("its database is empty, or has views or triggers, which no gallery has")
        with open_store(staged, create=False) as store:
            if problems := store.integrity_check():
                raise BackupError(f"the gallery in it is damaged: {problems[0]}")
            state = store.index_state.read()
            named = state.file_names if state else set()
            there = {path.name for path in staged.iterdir() if INDEX_NAME.fullmatch(path.name)}
            whole = state is not None and bool(named) and _sound_files(staged, state)
            for name in there if not whole else there - named:
                (staged / name).unlink()
            if state and not whole:
                store.index_state.discard_files(named)
            counts = store.templates.counts()
            back = None if replaced is None else returned(store, replaced)
            store.audit.add("backup", detail={"restored": 1}, at=made_at)  # which still holds everybody in it
    except (StoreError, IndexStateError) as error:
        raise BackupError(str(error).replace(str(staged), "the archive")) from error
    known, found = back is not None, back or Returned((), ())
    return RestoreReport(
        replaced or staged,
        counts.identities,
        counts.templates,
        whole,
        made_at,
        found.people,
        found.faces,
        knows_forgotten=known,
    )


def _sound_files(folder: Path, state: IndexState) -> bool:
    """Whether the index files are there, and are those that the database names."""
    try:
        for segment in state.segments:
            IndexFiles(folder).open(segment)
    except (OSError, VectorIndexError):
        return False
    return True
