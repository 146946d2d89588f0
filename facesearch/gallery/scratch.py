"""Temporary folders of backups and restores, and finding again those of processes that were killed.

What lies in such a folder is a copy of a gallery. That of a restore lies beside the gallery's folder. That of a backup
lies beside the file to be written, which may be anywhere: a record in the gallery's folder says where, so that nobody
who is forgotten stays in a copy that no one knows of.
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from facesearch.files.durable import TEMPORARY, sync, temporary_name, write_atomically
from facesearch.files.locks import exclusive_lock

_IN_USE = "in-use.lock"
_RECORD = ".backup-*.json"


@contextmanager
def scratch_folder(path: Path, recorded_in: Path | None = None) -> Iterator[Path]:
    """A temporary folder beside path, for its owner alone, gone afterwards; those of killed processes go first.

    recorded_in: the folder of the gallery that is copied into it.
    """
    for entry in _left_beside(path.absolute()):
        _remove(entry)
    folder = temporary_name(path.absolute())
    folder.mkdir(mode=0o700)
    record: Path | None = None
    try:
        with exclusive_lock(folder / _IN_USE):  # shows that a process is at work on it
            record = _recorded(folder, recorded_in) if recorded_in else None
            (folder / "files").mkdir(mode=0o700)
            yield folder / "files"
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if record is not None and not folder.exists():
            with suppress(OSError):
                record.unlink()


def remove_unfinished(gallery: Path) -> list[Path]:
    """Remove the copies of a gallery that killed backups and restores left; returns folders that are still there.

    Those are copies at which another process is at work, and copies on a disk that cannot be reached or written.
    """
    kept = [entry for entry in _left_beside(gallery.absolute()) if not _remove(entry)]
    for record in sorted(gallery.glob(_RECORD)):
        folder = _gone_or_folder(record)
        if folder is None or (folder.is_dir() and _remove(folder)):
            with suppress(OSError):
                record.unlink()
        else:
            kept.append(folder)
    return kept


def _left_beside(path: Path) -> list[Path]:
    name = re.compile(rf"\.{re.escape(path.name)}{TEMPORARY}")
    with suppress(OSError):
        return sorted(entry for entry in path.parent.iterdir() if name.fullmatch(entry.name) and entry.is_dir())
    return []


def _remove(folder: Path) -> bool:
    """Remove a temporary folder unless a process is at work on it; returns whether it is gone."""
    with suppress(OSError), exclusive_lock(folder / _IN_USE):
        shutil.rmtree(folder)
    return not folder.exists()


def _recorded(folder: Path, gallery: Path) -> Path | None:
    """The record of a temporary folder; None where the gallery's disk takes none."""
    record = gallery / f".backup-{secrets.token_hex(8)}.json"
    # A disk that is taken away, or another in its place, is told by the number of the folder.
    content = json.dumps({"folder": str(folder), "inode": folder.parent.stat().st_ino}).encode("ascii")
    try:
        write_atomically(record, lambda file: file.write(content))
        sync(folder.parent)
    except OSError:
        return None
    return record


def _gone_or_folder(record: Path) -> Path | None:
    """The folder that a record names; None where it is gone for certain, or where the record says nothing."""
    try:
        content = json.loads(record.read_bytes())
        folder, inode = Path(content["folder"]), content["inode"]
    except (OSError, ValueError, TypeError, KeyError):
        return None
    name = re.compile(rf"\..+{TEMPORARY}", re.DOTALL)
    if not folder.is_absolute() or not name.fullmatch(folder.name):
        return None  # not one that was written here: nothing else is ever removed
    try:
        known = folder.parent.stat().st_ino == inode
    except OSError:
        return folder
    return folder if folder.exists() or not known else None
