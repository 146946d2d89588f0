"""The index files that this machine has of galleries on servers: which there are, and deleting them.

A gallery may have been dropped, or not be used from here any more; its index files hold codes of templates all the
same. They can be seen and deleted without psycopg, and without a server.
"""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from facesearch.errors import FacesearchError, StoreBusyError, StoreError
from facesearch.files.locations import projections_folder
from facesearch.store.postgresql.address import Address
from facesearch.store.postgresql.projection import DATABASE, PLACE, Projection
from facesearch.store.sql.index_state import clear_index_state

_USER = re.compile(r"(?<=//)[^/@]*@|user=[^&]*&")
_NAME = re.compile(r"[0-9a-f]{32}")
_LONGEST = 10_000  # characters of a URL that are shown


@dataclass(frozen=True, slots=True)
class KeptProjection:
    """What is kept of one gallery. gallery: its URL without a password, as it was last opened; None where that is not
    known. opened_at: when it was (epoch seconds)."""

    folder: str
    gallery: str | None
    files: int
    bytes: int
    opened_at: int

    def document(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class ClearedProjections:
    """How many files were deleted, and of how many galleries that a process has open."""

    files: int
    in_use: int


def kept_projections(url: str | None = None) -> list[KeptProjection]:
    """What is kept of all galleries, or of the one with a URL, whoever the user is; those opened last come first.

    Raises `UsageError` for what is no URL of a gallery.
    """
    wanted = None if url is None else _place(Address.of(url).shown)
    found = []
    for folder in _folders():
        with suppress(FileNotFoundError):  # deleted by somebody else
            kept = _kept(folder)
            if wanted is None or (kept.gallery is not None and _is_same(_place(kept.gallery), wanted)):
                found.append(kept)
    return sorted(found, key=lambda each: each.opened_at, reverse=True)


def clear_projections(chosen: Sequence[KeptProjection]) -> ClearedProjections:
    """Delete the index files of galleries.

    A process that has such a gallery open goes on, and gets its index anew with the next question. Raises
    `FacesearchError` naming the first file that could not be deleted, after all others have been; `StoreBusyError`.
    """
    deleted, in_use, failed = 0, 0, list[str]()
    for each in chosen:
        folder = Path(each.folder)
        _declare_invalid(folder)
        done, left = _delete_files(folder)
        deleted, failed = deleted + done, failed + left
        if _is_open(folder):
            in_use += 1
        elif not left:
            shutil.rmtree(folder, ignore_errors=True)
    if failed:
        more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
        raise FacesearchError(f"{failed[0]} cannot be deleted{more}: is it yours?")
    return ClearedProjections(deleted, in_use)


def _declare_invalid(folder: Path) -> None:
    """Before files go, so that no process that has the gallery open takes them for there."""
    try:
        projection = Projection(folder)
        try:
            with projection.local.writing() as rows:
                clear_index_state(rows)
        finally:
            projection.close()
    except StoreBusyError:
        raise
    except StoreError:  # on a full disk the files make room; what is recorded and not there is built anew
        return


def _delete_files(folder: Path) -> tuple[int, list[str]]:
    """How many index files were deleted, and the paths of those that could not be."""
    deleted, left = 0, list[str]()
    for path in folder.iterdir():
        if path.name.startswith((DATABASE, PLACE)):
            continue
        if path.is_dir():  # of a shard
            done, rest = _delete_files(path)
            deleted, left = deleted + done, left + rest
            with suppress(OSError):
                path.rmdir()
            continue
        try:
            path.unlink()
            deleted += path.suffix == ".faiss"
        except FileNotFoundError:
            continue
        except OSError:
            left.append(str(path))
    return deleted, left


def _folders() -> list[Path]:
    try:
        return [path for path in sorted(projections_folder().iterdir()) if _NAME.fullmatch(path.name) and path.is_dir()]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _kept(folder: Path) -> KeptProjection:
    noted = folder / PLACE
    sizes = {path: path.lstat().st_size for path in folder.rglob("*") if not path.is_dir()}
    try:
        gallery = noted.read_text("utf-8")[:_LONGEST].strip() or None
    except (OSError, UnicodeError):
        gallery = None
    used = noted if noted.exists() else folder
    files = sum(path.suffix == ".faiss" for path in sizes)
    return KeptProjection(str(folder), gallery, files, sum(sizes.values()), int(used.stat().st_mtime))


def _is_open(folder: Path) -> bool:
    """Whether a process has the folder's database open: its write-ahead log is given up for the last user alone."""
    path = folder / DATABASE
    if not path.is_file():
        return False
    try:
        with closing(sqlite3.connect(path, timeout=0)) as connection:
            return bool(connection.execute("PRAGMA journal_mode=DELETE").fetchone() != ("delete",))
    except sqlite3.Error as error:
        return getattr(error, "sqlite_errorcode", 0) & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def _place(shown: str) -> tuple[set[str], str]:
    """The hosts in a URL, and the rest of it without its user."""
    hosts, slash, rest = _USER.sub("", shown).partition("//")[2].partition("/")
    return set(hosts.split(",")), slash + rest


def _is_same(one: tuple[set[str], str], other: tuple[set[str], str]) -> bool:
    """Whether two places have a host in common, as where one of them names a standby, too."""
    return one[1] == other[1] and bool(one[0] & other[0])
