"""The ranges of activations that eight bits are spread over: all that was seen, a percentile, or what errs least."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import onnx

from facesearch.quantization.onnx_layers import Pixels, Values, observe

LEVELS = 255

_SHRINKS = np.linspace(0.2, 1.0, 33)  # of the full range, tried for the least error
_SAMPLE = 1 << 16  # values of each tensor that errors are summed over


@dataclass(frozen=True, slots=True)
class Range:
    """From the least to the largest value that is represented; zero is always within."""

    low: float
    high: float

    @property
    def scale_and_zero(self) -> tuple[float, int]:
        """The step between two codes, and the code of zero."""
        scale = max(self.high - self.low, 1e-8) / LEVELS
        return scale, int(np.clip(round(-self.low / scale), 0, LEVELS))

    def rounded(self, values: Values) -> Values:
        """What values become as codes and back."""
        scale, zero = self.scale_and_zero
        codes = np.clip(np.round(values / scale) + zero, 0, LEVELS)
        rounded: Values = ((codes - zero) * scale).astype(np.float32)
        return rounded


def full_ranges(
    model: onnx.ModelProto, tensors: Collection[str], crops: Pixels, percentile: float | None = None
) -> dict[str, Range]:
    """The range of each tensor over crops (n, h, w, 3).

    percentile: of the values of each batch of crops, on both sides; None: all of them.
    """
    names = sorted(set(tensors))
    found = {name: Range(0.0, 0.0) for name in names}
    for values in observe(model, names, crops):
        for name in names:
            if percentile is None:
                low, high = float(values[name].min()), float(values[name].max())
            else:
                low, high = (float(each) for each in np.percentile(values[name], (100 - percentile, percentile)))
            found[name] = Range(min(found[name].low, low), max(found[name].high, high))
    return found


def least_error_ranges(model: onnx.ModelProto, tensors: Collection[str], crops: Pixels) -> dict[str, Range]:
    """The share of each tensor's full range over crops (n, h, w, 3) that makes the squared error of rounding least."""
    names = sorted(set(tensors))
    full = {name: Range(0.0, 0.0) for name in names}
    samples: dict[str, list[Values]] = {name: [] for name in names}
    for values in observe(model, names, crops):
        for name in names:
            flat = values[name].reshape(-1)
            full[name] = Range(min(full[name].low, float(flat.min())), max(full[name].high, float(flat.max())))
            wanted = max(1, _SAMPLE * len(values[name]) // len(crops))
            places = np.random.default_rng(0).integers(0, len(flat), min(wanted, len(flat)))
            samples[name].append(flat[places])
    return {name: _least_error(np.concatenate(samples[name]), full[name]) for name in names}


def _least_error(values: Values, full: Range) -> Range:
    tried = [Range(full.low * shrink, full.high * shrink) for shrink in _SHRINKS]
    errors = [float(np.square(each.rounded(values) - values).mean()) for each in tried]
    return tried[int(np.argmin(errors))]
