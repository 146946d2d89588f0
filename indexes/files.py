"""Every change that this package makes on a disk goes through here."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, TypeVar

T = TypeVar("T")


def write_atomically(path: Path, writer: Callable[[BinaryIO], T]) -> T:
    """Let writer fill a new file and put it in place of path; return what writer returned.

    After a crash at any moment path holds the whole old file or the whole new one. When anything fails, path is
    untouched and the temporary file beside it is gone. Only a killed process leaves one: see `remove_leftovers`.
    Raises OSError, and whatever writer raises.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("xb") as file:
            result = writer(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:  # also an interrupt by the user: nothing may stay behind
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)  # the new name itself is durable only now
    return result


def remove_leftovers(path: Path) -> int:
    """Delete temporary files that killed writers of path left beside it; return how many.

    Only for a caller that knows of no writer at work on path.
    """
    name = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{16}}\.tmp")
    leftovers = [file for file in path.parent.iterdir() if name.fullmatch(file.name)]
    for file in leftovers:
        file.unlink(missing_ok=True)
    return len(leftovers)


def sync_folder(folder: Path) -> None:
    """Make names that were created or replaced in folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
