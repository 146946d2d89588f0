"""The folder of a gallery: what belongs to it, and who may look into it."""

from __future__ import annotations

import re
from pathlib import Path

from facesearch.errors import UsageError
from facesearch.files.durable import can_be_replaced
from facesearch.files.permissions import narrow
from facesearch.text.announcements import announce

_OWN = re.compile(r"gallery\.db(-wal|-shm|-journal)?|\.?index-[0-9a-f]{16}\.faiss.*|\.backup-[0-9a-f]{16}\.json")


def strange_names(folder: Path) -> list[str]:
    """What a folder holds that is no part of a gallery, finished or left by a process that was killed; sorted."""
    return sorted(entry.name for entry in folder.iterdir() if not _OWN.fullmatch(entry.name))


def check_new_file(target: Path, folder: Path, what: str, *, overwrite: bool) -> None:
    """See that a file may be written which holds templates of the gallery in a folder; what: as in "the backup".

    Raises `UsageError` for one that is there (unless `overwrite`), is no ordinary file, or lies in the folder.
    """
    if target.is_dir():
        raise UsageError(f"{target} is a folder: name a file for {what}")
    if not can_be_replaced(target):
        raise UsageError(f"{target} is no ordinary file: name another one for {what}")
    if target.exists() and not overwrite:
        raise UsageError(f"there is a file {target}: choose another name, or --force to take its place")
    if target.absolute().parent.resolve() == folder.resolve():
        raise UsageError(f"{target} lies in the gallery's own folder: choose another place")


def keep_private(folder: Path) -> None:
    """Take from everybody else what they may do with a gallery that is there, and say so.

    A folder that holds other things too is not the gallery's to change: only its own files are.
    """
    try:
        own = [entry for entry in folder.iterdir() if _OWN.fullmatch(entry.name)]
        changed = narrow([*own, *([] if strange_names(folder) else [folder])])
    except OSError:
        return
    if changed:
        announce("%s could be read by other users of this machine: it is its owner's alone from here on", folder)
