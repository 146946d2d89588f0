"""How long functions take beside each other on a machine that may have other work to do."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence

_RUNS = 25
_WARM_UP = 3


def times_in_turns(functions: Sequence[Callable[[], object]]) -> list[float]:
    """Median milliseconds of CPU time of each, taken in turns: what disturbs one disturbs all."""
    spent: list[list[float]] = [[] for _ in functions]
    for run in range(_WARM_UP + _RUNS):
        for place, function in enumerate(functions):
            started = time.process_time()
            function()
            if run >= _WARM_UP:
                spent[place].append(1000 * (time.process_time() - started))
    return [statistics.median(each) for each in spent]
