"""Servers of shards in processes of their own, as `facesearch index serve` starts them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

_LISTENING = re.compile(r"listening on (\S+)")


@dataclass(frozen=True, slots=True)
class Served:
    """A server. address: where it listens; seconds: from its start until it did."""

    process: subprocess.Popen[str]
    address: str
    seconds: float

    def memory(self) -> tuple[int, int]:
        """Bytes that are resident now, and that were at most."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        now, most = (int(re.findall(rf"{name}:\s+(\d+) kB", status)[0]) * 1024 for name in ("VmRSS", "VmHWM"))
        return now, most


@contextmanager
def served(url: str, number: int, count: int) -> Iterator[Served]:
    """The server of one shard, with one thread for each search."""
    start = time.perf_counter()
    words = ("index", "serve", "--shard", f"{number}/{count}", "--threads", "1", "--gallery", url)
    process = subprocess.Popen(
        [sys.executable, "-m", "facesearch", *words], stderr=subprocess.PIPE, text=True, env=os.environ
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if found := _LISTENING.search(line):
                yield Served(process, found[1], time.perf_counter() - start)
                break
        else:
            raise RuntimeError(f"shard {number}/{count} does not listen")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        process.stderr.close()


@contextmanager
def all_served(url: str, count: int) -> Iterator[list[Served]]:
    """The servers of all shards, one started after the other."""
    with ExitStack() as servers:
        yield [servers.enter_context(served(url, number, count)) for number in range(1, count + 1)]
