"""A Dask cluster on this machine: a scheduler and workers as a user would start them, on loopback only."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from facesearch.files.own_processes import environment

_SECONDS = 60.0


class DaskCluster:
    """Ends with the block. folder: for its files. home: what `FACESEARCH_HOME` is for its workers."""

    def __init__(self, folder: Path, home: Path | None = None) -> None:
        self._folder, self._home = folder, home or folder / "home"
        self.scheduler = self._start("scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", self._file)
        self.workers: list[subprocess.Popen[bytes]] = []
        deadline = time.monotonic() + _SECONDS
        while not self._file.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        self.address: str = json.loads(self._file.read_text())["address"]

    @property
    def _file(self) -> Path:
        return self._folder / "scheduler.json"

    def add_worker(self, threads: int = 1) -> subprocess.Popen[bytes]:
        """One more worker, which ends for good when it is killed."""
        words = ["--no-nanny", "--nthreads", threads, "--host", "127.0.0.1", "--local-directory", self._folder]
        self.workers.append(self._start("worker", self.address, *words))
        return self.workers[-1]

    def _start(self, program: str, *words: object) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "distributed.cli.dask_" + program, "--no-dashboard", *map(str, words)]
        return subprocess.Popen(
            command,
            env=environment(FACESEARCH_HOME=str(self._home)),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in [*self.workers, self.scheduler]:
            kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """As kill −9 does, with all that it has started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
