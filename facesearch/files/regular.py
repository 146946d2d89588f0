"""Reading files that users name: ordinary ones only, and without waiting for what may never come."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO


class NotRegularError(OSError):
    """A pipe or a device, which may never end."""


def open_regular(path: Path) -> BinaryIO:
    """Open an ordinary file; raises OSError, also for a folder, and `NotRegularError` for a pipe or a device."""
    file: BinaryIO = open(path, "rb", opener=_open_without_waiting)  # noqa: SIM115 - the caller closes it
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return file
    file.close()
    raise NotRegularError(errno.EINVAL, "it is no ordinary file", str(path))


def _open_without_waiting(path: str, flags: int) -> int:
    """Opening a named pipe would otherwise wait for a writer."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
