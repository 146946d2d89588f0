"""Timing beside other programs: what they take of the cores is read from the system's counters (Linux)."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

FOREIGN = 0.1  # cores taken by other programs up to which a timing counts
_PATIENCE = 4  # attempts
_LONGEST_WAIT = 60.0  # seconds


@dataclass(frozen=True, slots=True)
class Timing:
    """Wall time, and the cores that this process and those that other programs kept busy meanwhile."""

    seconds: float
    own_cores: float
    foreign_cores: float
    parts: dict[str, float] = field(default_factory=dict)  # seconds of each


def timed(function: Callable[[], float | None]) -> Timing:
    """Time a function. It returns the processor time that its children spent, or None if they have ended by then."""
    busy, own, start, ended = busy_seconds(), time.process_time(), time.perf_counter(), _ended_children()
    children = function()
    seconds = time.perf_counter() - start
    children = _ended_children() - ended if children is None else children
    own = time.process_time() - own
    return Timing(seconds, (own + children) / seconds, max(0.0, (busy_seconds() - busy - own - children) / seconds))


def _ended_children() -> float:
    times = os.times()
    return times.children_user + times.children_system


def busy_seconds() -> float:
    """Seconds that all cores together have been busy since the machine started; 0 where the system does not tell."""
    try:
        words = Path("/proc/stat").read_text(encoding="utf-8").split("\n", 1)[0].split()[1:]
    except OSError:
        return 0.0
    user, nice, system, _idle, _waiting, *others = (int(word) for word in words[:8])
    return (user + nice + system + sum(others)) / os.sysconf("SC_CLK_TCK")


def quietly(function: Callable[[], Timing]) -> Timing:
    """The first timing that other programs did not disturb; of so many that were disturbed, the least."""
    timings: list[Timing] = []
    while len(timings) < _PATIENCE:
        wait_for_quiet()
        timings.append(function())
        if timings[-1].foreign_cores <= FOREIGN:
            break
    return min(timings, key=lambda timing: timing.foreign_cores)


def wait_for_quiet() -> None:
    """Until other programs leave the cores alone, or do not for too long."""
    since = time.monotonic()
    while time.monotonic() - since < _LONGEST_WAIT:
        busy, start = busy_seconds(), time.perf_counter()
        time.sleep(0.5)
        if (busy_seconds() - busy) / (time.perf_counter() - start) <= FOREIGN:
            return
