"""Logistic functions: from what was measured to a confidence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facesearch.gallery.likeness import Doubles


@dataclass(frozen=True, slots=True)
class Logistic:
    """1 / (1 + exp(−(weights · features + bias)))."""

    weights: tuple[float, ...]
    bias: float

    def __call__(self, features: Doubles) -> Doubles:
        """Of features (n, f), (n,)."""
        sums = features @ np.array(self.weights) + self.bias
        result: Doubles = 1.0 / (1.0 + np.exp(-np.clip(sums, -40.0, 40.0)))
        return result
