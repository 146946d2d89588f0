"""Who may read what holds templates: its owner, and nobody else but a group that it is shared with on purpose.

A folder is shared on purpose where its group may write and new files fall to that group (the setgid bit, `chmod 2770`),
or where it has an access control list. Its files are then for that group, too; in any other folder for the owner alone,
whatever the umask. Systems without such permissions are left alone.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

_LIST = "system.posix_acl_access"
_OTHERS = 0o007
_ALL_BUT_OWNER = 0o077


def is_shared(folder: Path) -> bool:
    """Whether a folder is shared with a group on purpose."""
    mode = folder.stat().st_mode
    return bool(mode & stat.S_IWGRP) and (bool(mode & stat.S_ISGID) or _has_list(folder))


def open_private(path: Path) -> BinaryIO:
    """A new file for its owner, and for the group that its folder is shared with. Raises OSError if it is there."""
    shared = is_shared(path.parent)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    if shared:
        with suppress(OSError):
            path.chmod(0o660)
    return os.fdopen(descriptor, "r+b")


def make_private_folder(folder: Path, top: Path | None = None) -> None:
    """Make a folder, and those between `top` and it, for the owner alone; raises OSError.

    Those that are there already are narrowed where they are the user's.
    """
    inner = [folder, *(each for each in folder.parents if top is not None and top in each.parents)]
    inner[-1].parent.mkdir(parents=True, exist_ok=True)
    for each in reversed(inner):
        try:
            each.mkdir(mode=0o700)
        except FileExistsError:
            narrow([each])


def narrow(paths: Iterable[Path]) -> list[Path]:
    """Take from everybody else what they may do with the user's own files and folders; returns those it changed.

    What is shared with a group stays so. Folders with the sticky bit are everybody's, and left alone.
    """
    return [path for path in paths if _narrowed(path)]


def share_alike(folder: Path, new: Path) -> None:
    """Share a new, empty folder with the group that another one is shared with, if it is."""
    if is_shared(folder):
        with suppress(OSError):
            os.chown(new, -1, folder.stat().st_gid)
            new.chmod(stat.S_IMODE(folder.stat().st_mode) & ~_OTHERS)


def _narrowed(path: Path) -> bool:
    try:
        found = path.lstat()
        if os.name != "posix" or found.st_uid != os.geteuid() or found.st_mode & stat.S_ISVTX:
            return False
        if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
            return False
        wide = _OTHERS if is_shared(path if path.is_dir() else path.parent) else _ALL_BUT_OWNER
        if not found.st_mode & wide:
            return False
        path.chmod(stat.S_IMODE(found.st_mode) & ~wide)
        return not path.lstat().st_mode & wide  # some file systems know no permissions
    except OSError:
        return False


def _has_list(folder: Path) -> bool:
    try:
        return _LIST in os.listxattr(folder)
    except (AttributeError, OSError):
        return False
