"""Rebuild indexes/trellis_table.safetensors: python -m scripts.build_trellis_table

Gaussian values in random order, improved by Lloyd's iterations on a Gaussian source that is coded at all rates in turn:
every state's value moves to the mean of the components that were coded in it. No face has a part in this. The file's
SHA-256, which is printed, stands in indexes/trellis_table.py. Codes refer to the table: another one makes those that
were written before unreadable.
"""

from __future__ import annotations

import hashlib
import sys
from statistics import NormalDist

import numpy as np
from safetensors.numpy import save

from indexes.trellis import Step, TrellisQuantizer
from indexes.trellis_table import LARGEST_STEP, STATES, TABLE_PATH, WIDTHS, Quantizer

_SEQUENCES, _STEPS = 256, 96
_ITERATIONS = 5
_RATES = {1: range(1, 7), 2: range(1, 6)}  # bits per step that the values are improved for


def main() -> None:
    tables = {width: _learnt(width, np.random.default_rng(width)) for width in WIDTHS}
    content = save(
        {
            f"{name}.{width}": numbers.astype(np.float32)
            for width, table in tables.items()
            for name, numbers in (("values", table.values), ("gains", table.gains), ("error", table.error))
        }
    )
    TABLE_PATH.write_bytes(content)
    print(f"{TABLE_PATH.name}: {len(content)} bytes, SHA-256 {hashlib.sha256(content).hexdigest()}")


def _learnt(width: int, rng: np.random.Generator) -> Quantizer:
    quantiles = np.array([NormalDist().inv_cdf((state + 0.5) / STATES) for state in range(STATES)])
    values = np.stack([rng.permutation(quantiles) for _ in range(width)])  # (width, STATES)
    gains = np.sqrt(1 - 2.0 ** (-2 * np.arange(LARGEST_STEP + 1) / width))
    error = np.ones(LARGEST_STEP + 1)
    for iteration in range(_ITERATIONS + 1):
        last = iteration == _ITERATIONS
        sums, weights = np.zeros((width, STATES)), np.zeros((width, STATES))
        for bits in range(1, LARGEST_STEP + 1) if last else _RATES[width]:
            source = rng.standard_normal((_SEQUENCES, _STEPS * width)).astype(np.float32)
            states, decoded = _coded(source, width, bits, np.asarray(values * gains[bits], np.float32))
            error[bits] = np.square(source - decoded, dtype=np.float64).mean()
            unit = decoded / gains[bits]
            for row in range(width):
                part, where = source[:, row::width].ravel(), states.ravel()
                sums[row] += np.bincount(where, part / gains[bits], STATES) * gains[bits] ** 2 / error[bits]
                weights[row] += np.bincount(where, minlength=STATES) * gains[bits] ** 2 / error[bits]
            gains[bits] = float((source * unit).sum(dtype=np.float64) / (unit * unit).sum(dtype=np.float64))
        best = 2.0 ** (2 * np.arange(LARGEST_STEP + 1) / width)
        print(f"width {width}, iteration {iteration}: error to bound {np.round(error * best, 3)}", file=sys.stderr)
        if not last:
            values = np.where(weights > 0, sums / np.maximum(weights, 1e-12), values)
            values /= np.sqrt((values**2).mean(axis=1, keepdims=True))
    return Quantizer(values.astype(np.float32), gains.astype(np.float32), error)


def _coded(
    source: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
    width: int,
    bits: int,
    values: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.int64]], np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    """States (n, steps) and decoded components (n, steps * width) of a source (n, steps * width)."""
    steps = [Step(place * width, width, bits) for place in range(_STEPS)]
    quantizer = TrellisQuantizer(_STEPS * width, steps, [values] * _STEPS)
    codes = quantizer.encode(source)
    return quantizer.states(codes)[:, ::width].astype(np.int64), quantizer.decode(codes)


if __name__ == "__main__":
    main()
