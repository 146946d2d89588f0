"""Somebody else's model is tried in a process of its own, which is killed where it takes too long or too much memory.

A graph can be written so that it never ends, or asks for more memory than there is. The process is a plain program
spoken to in JSON lines (facesearch.workshop.trial_process).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from facesearch import errors
from facesearch.errors import FacesearchError, WeightsError
from facesearch.files.own_processes import command, environment
from facesearch.workshop.model_making import Job, Made, Step
from facesearch.workshop.selftest import SelfTest, Separation

_MB = 1 << 20
_SMALL = 32 * _MB  # models up to this size get the least time
_LEAST_SECONDS = 40.0
_SECONDS_PER_MB = 0.5  # beyond that
_TO_START = 180.0  # seconds for the libraries, which no model can make longer


@dataclass(frozen=True, slots=True)
class Limits:
    """What a trial may take: seconds on the clock, and bytes of memory beside what its libraries take."""

    seconds: float
    memory: int

    @classmethod
    def of(cls, path: Path) -> Limits:
        """For a file of its size: weights are read, converted, compared and run, several copies at once."""
        size = path.stat().st_size
        threads = 32 * _MB * (os.cpu_count() or 1)  # their stacks, in a few sessions
        seconds = _LEAST_SECONDS + _SECONDS_PER_MB * max(0, size - _SMALL) / _MB
        return cls(seconds, 384 * _MB + threads + 12 * size)


@dataclass(slots=True)
class _Heard:
    """What the process said."""

    made: Made | None = None
    error: FacesearchError | None = None


class _Clock:
    """Kills a process when its time is up."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.is_up = False
        self._process = process
        self._timer = threading.Timer(0, self._stop)

    def give(self, seconds: float) -> None:
        """Time from now on, in place of what is left."""
        self.cancel()
        self._timer = threading.Timer(seconds, self._stop)
        self._timer.daemon = True
        self._timer.start()

    def cancel(self) -> None:
        self._timer.cancel()

    def _stop(self) -> None:
        self.is_up = True
        self._process.kill()


def make_apart(folder: Path, job: Job, *, tested: bool, step: Step, limits: Limits | None = None) -> Made:
    """`make_model` in a process of its own, with the self-test on synthetic people if `tested`.

    limits: by default those for a file of its size. Raises what `make_model` raises, and `WeightsError` for a model
    that takes more than it may.
    """
    limits = limits or Limits.of(job.path)
    process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
        command("facesearch.workshop.trial_process"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="ascii",
        env=environment(),
        start_new_session=True,
    )
    heard, clock = _Heard(), _Clock(process)
    clock.give(_TO_START)
    try:
        _listen(process, _asked(folder, job, limits, tested=tested), heard, step, lambda: clock.give(limits.seconds))
        process.wait()  # as it has nothing more to say, it ends, or the clock ends it
    finally:
        clock.cancel()
        process.kill()
        process.wait()
        for pipe in filter(None, (process.stdin, process.stdout)):
            with suppress(OSError):
                pipe.close()
    if heard.error is not None:
        raise heard.error
    if heard.made is not None:
        return heard.made
    if clock.is_up:
        raise WeightsError(f"'{job.path}' takes too long: it was stopped after {limits.seconds:.0f} seconds")
    raise WeightsError(
        f"'{job.path}' ended the process that tried it ({_end(process.returncode)}): it asks for more than "
        f"{limits.memory // _MB} MB of memory, or is damaged"
    )


def _asked(folder: Path, job: Job, limits: Limits, *, tested: bool) -> str:
    return json.dumps(
        {
            "folder": str(folder),
            "path": str(job.path.absolute()),
            "shown": str(job.path),
            "source": asdict(job.source),
            "name": job.name,
            "family": job.family,
            "options": None if job.options is None else asdict(job.options),
            "tested": tested,
            "seconds": limits.seconds,
            "memory": limits.memory,
        }
    )


def _listen(process: subprocess.Popen[str], asked: str, heard: _Heard, step: Step, ready: Callable[[], None]) -> None:
    assert process.stdin is not None and process.stdout is not None  # noqa: S101 - both are pipes
    try:
        process.stdin.write(asked + "\n")
        process.stdin.close()
    except OSError:  # it has ended
        return
    for line in process.stdout:
        try:
            said = json.loads(line)
        except ValueError:  # cut off
            return
        if "ready" in said:
            ready()
        elif "step" in said:
            step(said["step"])
        elif "error" in said:
            heard.error = getattr(errors, said["kind"], WeightsError)(said["error"])
        else:
            heard.made = Made(_self_test(said["self_test"]), tuple(said["warnings"]))


def _self_test(values: dict[str, Any] | None) -> SelfTest | None:
    return None if values is None else SelfTest(Separation(**values["separation"]), values["warning"])


def _end(returncode: int) -> str:
    return signal.Signals(-returncode).name if returncode < 0 else f"status {returncode}"
