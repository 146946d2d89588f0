"""The program on a terminal of a given width."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def on_terminal(columns: int, *words: Any) -> list[str]:
    """The lines that a command prints on a terminal with so many columns."""
    import fcntl
    import pty
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environment = {**os.environ, "TERM": "xterm", "NO_COLOR": "1"}
    environment.pop("COLUMNS", None)
    arguments = [sys.executable, "-m", "facesearch", *map(str, words)]
    with subprocess.Popen(
        arguments, cwd=ROOT, stdin=theirs, stdout=theirs, stderr=subprocess.STDOUT, env=environment
    ) as process:
        os.close(theirs)
        written = b""
        while True:
            try:
                some = os.read(ours, 65536)
            except OSError:  # so a terminal ends on Linux
                break
            if not some:
                break
            written += some
        assert process.wait(timeout=60) == 0, written
    os.close(ours)
    return written.decode().replace("\r\n", "\n").splitlines()
