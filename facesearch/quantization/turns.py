"""How long functions take beside each other on a machine that may have other work to do."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence


def times_in_turns(
    functions: Sequence[Callable[[], object]],
    runs: int = 25,
    *,
    warm_up: int = 3,
    clock: Callable[[], float] = time.process_time,
) -> list[float]:
    """Median milliseconds of each over `runs` runs after some to warm up, taken in turns, there and back: what disturbs
    one disturbs all. clock: seconds; by default of CPU time."""
    spent: list[list[float]] = [[] for _ in functions]
    for run in range(warm_up + runs):
        for place in range(len(functions))[:: 1 if run % 2 == 0 else -1]:
            started = clock()
            functions[place]()
            if run >= warm_up:
                spent[place].append(1000 * (clock() - started))
    return [statistics.median(each) for each in spent]
