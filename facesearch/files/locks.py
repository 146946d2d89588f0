"""Locks between processes, on every system that Python runs on."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def exclusive_lock(path: Path) -> Iterator[None]:
    """Hold what the lock file `path` stands for, alone among all processes and threads of this machine.

    The file and its folder are made where they are missing, and stay: without the file, two holders could get in. What
    a killed process held is free again. Never waits: raises `BlockingIOError` where somebody else holds it, `OSError`
    where the file cannot be made.
    """
    from filelock import FileLock, Timeout  # needed by few commands, none of those that answer

    try:
        held = FileLock(path, timeout=0, mode=0o600).acquire()
    except Timeout as error:
        raise BlockingIOError(errno.EWOULDBLOCK, os.strerror(errno.EWOULDBLOCK), str(path)) from error
    with held:
        yield
