"""Every change of a file or folder that has to be on the disk, whole or not at all, goes through here.

New content is written under a temporary name beside its place, synchronised, renamed into its place, and the folder
synchronised, because a new name is durable only with its folder. Reading needs none of this.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeVar

from facesearch.files.permissions import open_private

T = TypeVar("T")

TEMPORARY = r"\.[0-9a-f]{16}\.tmp"  # what `temporary_name` adds, as a regular expression


def temporary_name(path: Path) -> Path:
    """A name beside path that nobody else uses; `remove_leftovers` knows it."""
    return path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")


def can_be_replaced(path: Path) -> bool:
    """Whether path is free or an ordinary file; a folder, a device or a pipe is nothing to put a file in place of."""
    return path.is_file() or not path.exists()


@contextmanager
def staged_file(path: Path) -> Iterator[Path]:
    """The name of a file to be made; leaving the block without an error puts it in place of path.

    After a crash at any moment path holds the whole old file or the whole new one. When anything fails, path is
    untouched and the temporary file is gone. Only a killed process leaves one: see `remove_leftovers`. Raises OSError,
    also where path is a folder or a device.
    """
    if not can_be_replaced(path):
        raise OSError(errno.EINVAL, "it is no ordinary file", str(path))
    temporary = temporary_name(path)
    try:
        yield temporary
        put_file(temporary, path)
    except BaseException:  # also an interrupt by the user: nothing may stay behind
        temporary.unlink(missing_ok=True)
        raise


def write_atomically(path: Path, writer: Callable[[BinaryIO], T], *, public: bool = False) -> T:
    """Let writer fill a new file and put it in place of path, as `staged_file` does; return what writer returned.

    public: other users may read it, as far as the umask lets them. Raises OSError, and whatever writer raises.
    """
    with staged_file(path) as temporary, temporary.open("xb") if public else open_private(temporary) as file:
        return writer(file)


def put_file(staged: Path, path: Path) -> None:
    """Put a finished file in place of path, on the same disk, durably."""
    sync(staged)
    staged.replace(path)
    sync(path.parent)


def put_folder(staged: Path, target: Path) -> None:
    """Put a finished flat folder of files in place of target, on the same disk, durably; an old target is deleted.

    Where the system can exchange two names, target is at every moment the old folder or the new one. Elsewhere there is
    none for an instant, and a process that is killed then leaves the old one as `old_name(staged)`.
    """
    for path in staged.iterdir():
        sync(path)
    sync(staged)
    there, old = target.exists(), staged
    if not there:
        staged.rename(target)
    elif not _exchange(staged, target):
        old = old_name(staged)
        target.rename(old)
        try:
            staged.rename(target)
        except BaseException:
            old.rename(target)
            raise
    try:
        sync(target.parent)
    except BaseException:  # nobody knows what is on the disk: as before, as far as the system can tell
        target.rename(staged) if not there or old != staged else _exchange(staged, target)
        if old != staged:
            old.rename(target)
        raise
    if there:
        shutil.rmtree(old, ignore_errors=True)


def old_name(staged: Path) -> Path:
    """Where `put_folder` keeps the old folder for an instant."""
    return staged.with_suffix(".old")


def remove_files(paths: Iterator[Path] | list[Path]) -> int:
    """Delete files that may be gone already, all in one folder, durably; return how many names were given."""
    gone = list(paths)
    for path in gone:
        path.unlink(missing_ok=True)
    if gone:
        sync(gone[0].parent)
    return len(gone)


def remove_leftovers(path: Path) -> int:
    """Delete temporary files that killed writers of path left beside it; return how many.

    Only for a caller that knows of no writer at work on path.
    """
    name = re.compile(rf"\.{re.escape(path.name)}{TEMPORARY}")
    return remove_files([file for file in path.parent.iterdir() if name.fullmatch(file.name)])


def sync(path: Path) -> None:
    """Make durable the content of a file, or the names in a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _exchange(one: Path, other: Path) -> bool:
    """Let two names change places in one step; False where the system or the file system cannot."""
    import ctypes

    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    at_working_folder, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    if renameat2(at_working_folder, os.fsencode(one), at_working_folder, os.fsencode(other), exchange) == 0:
        return True
    code = ctypes.get_errno()
    if code in {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP}:
        return False
    raise OSError(code, os.strerror(code), str(one), None, str(other))
