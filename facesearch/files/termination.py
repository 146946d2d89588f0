"""Being ended by a signal without leaving anything behind.

SIGTERM and SIGHUP end a process on the spot: no `finally` runs, and temporary files stay. Work that must not leave any
asks for them as an exception instead, cleans up, and is then ended by the very signal.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

_SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


class Ended(BaseException):
    """The process was told to end."""


class Termination:
    """Whether the process was told to end, and whether it may be interrupted for that now."""

    def __init__(self) -> None:
        self.asked: int | None = None
        self._waits = False

    @contextmanager
    def later(self) -> Iterator[None]:
        """What must not be interrupted: the signal takes effect behind the block."""
        self._waits = True
        try:
            yield
        finally:
            self._waits = False
        if self.asked is not None:
            raise Ended

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.asked is None:
            self.asked = number
            if not self._waits:
                raise Ended


@contextmanager
def ending_tidily() -> Iterator[Termination]:
    """Let SIGTERM and SIGHUP raise `Ended` in the block, and end the process once it was left.

    Only where they would end the process at once: a program that handles them, or a thread beside the main one, goes on
    as it did.
    """
    termination = Termination()
    if threading.current_thread() is not threading.main_thread():
        yield termination
        return
    taken = [number for number in _SIGNALS if signal.getsignal(number) == signal.SIG_DFL]
    try:
        for number in taken:
            signal.signal(number, termination.on_signal)
        with suppress(Ended):
            yield termination
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)
        if termination.asked is not None:
            os.kill(os.getpid(), termination.asked)
