"""What a score means: how often a search for somebody who is not enrolled reaches it.

A similarity of 0.92 is no probability. How many pairs of different adults reach a similarity was measured for an
encoder (`Background.false_match_rate`); among n templates, if comparisons are independent, somebody reaches it in
1 − (1 − FMR)^n of all searches (ISO/IEC 19795-1's FPIR). Where the gallery's threshold was calibrated, the FMR is
scaled so that the rate there is the one observed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from facesearch.encoders.background import Background
from facesearch.store import Calibration

_MOST = 0.5
_SURELY = 1 - 1e-9


@dataclass(frozen=True, slots=True)
class StrangerRates:
    """Of a gallery with so many templates; calibration: that in force, if there is one."""

    background: Background
    templates: int
    calibration: Calibration | None = None

    def of(self, score: float) -> float | None:
        """The share of searches for strangers in which somebody reaches a score; None where that is not known.

        Never below `rarest`: of what is rarer, not enough was measured.
        """
        found = self._matches(score)
        if found is None:
            return None
        least = self._matches(1.0) or 0.0
        return -math.expm1(-max(least, found * self._observed()))

    @property
    def rarest(self) -> float:
        """The least that can be said."""
        return self.of(1.0) or 0.0

    def in_words(self, score: float) -> str:
        """ "a stranger reaches this in 1 of 400 searches", "most strangers reach this"; empty where it is not known."""
        rate = self.of(score)
        if not rate:
            return ""
        if rate <= self.rarest:
            if rate > _MOST:
                return ""  # what was measured does not tell how rare it is
            return f"a stranger reaches this in less than 1 of {_rounded(1 / rate, math.floor):,} searches"
        if rate > _MOST:
            return "most strangers reach this"
        return f"a stranger reaches this in 1 of {_rounded(1 / rate, round):,} searches"

    def _matches(self, score: float) -> float | None:
        """How many templates a stranger is expected to reach the score with."""
        rate = self.background.false_match_rate(score)
        return None if rate is None else -self.templates * math.log1p(-min(rate, _SURELY))

    def _observed(self) -> float:
        """How many matches were observed at the calibrated threshold, of those expected; 1 without a calibration."""
        if self.calibration is None:
            return 1.0
        expected = self._matches(self.calibration.threshold)
        observed = -math.log1p(-min(self.calibration.expected_fpir(self.templates), _SURELY))
        return observed / expected if expected and observed else 1.0


def _rounded(number: float, whole: Callable[[float], int]) -> int:
    """To two digits."""
    digits = int(10 ** max(0, math.floor(math.log10(number)) - 1))
    return whole(number / digits + 1e-9) * digits
