"""Trellis-coded quantization: components of unequal variance as a fixed number of bits, near the least distortion.

The bits of a code stand in a circle. Step by step some of them are read, 1 to 8; the state is the last 10 bits read,
and a table gives the value of one component, or of a pair, in every state. So neighbouring components share bits, and
the best of all sequences, found by dynamic programming (Viterbi), is nearer to the source than components rounded one
by one: of a Gaussian source it leaves 1.14 times the error that no code can avoid at one bit per component, 1.25 times
at two; rounding (Lloyd-Max) leaves 1.45 and 1.88 times. Marcellin and Fischer, "Trellis Coded Quantization of
Memoryless and Gauss-Markov Sources", IEEE Trans. Communications 38(1), 1990; tables of Gaussian values read through a
window of bits: Tseng et al., "QTIP: Quantization with Trellises and Incoherence Processing", NeurIPS 2024.

How many bits a component gets follows from its variance (reverse water-filling; Cover and Thomas, "Elements of
Information Theory", section 10.3.3). Where there are fewer than two bits for a component, components go in pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indexes.trellis_table import LARGEST_STEP, MEMORY, STATES, quantizers

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

_PAIRED_BELOW = 2.0  # bits per component
_CHUNK = 64  # vectors encoded at once: the costs of their states stay in a core's cache
_DECODED = 4096  # vectors decoded at once
_IMPOSSIBLE = np.float32(1e9)


@dataclass(frozen=True, slots=True)
class Step:
    """Bits read at once, for `width` components from `first` on; 0 wide where more bits are given than can be used."""

    first: int
    width: int
    bits: int


def plan_steps(variances: Floats, size: int) -> tuple[Step, ...]:
    """Share out 8 · size bits among components with variances (r,), descending, so that the squared error is least.

    One bit after the other goes where it saves most. Components that get none are decoded as their mean.
    """
    total = 8 * size
    width = 2 if total < _PAIRED_BELOW * variances.size else 1
    firsts = range(0, variances.size, width)
    widths = [min(width, variances.size - first) for first in firsts]
    powers = np.add.reduceat(variances.astype(np.float64), firsts)  # (steps,)
    # Error left by 0, 1, … bits, per step, as a part of the variance; nothing to be saved beyond the largest.
    left = np.stack([quantizers()[wide].error for wide in widths])  # (steps, LARGEST_STEP + 1)
    saves = np.append(left[:, :-1] - left[:, 1:], np.zeros((len(widths), 1)), axis=1) * powers[:, None]
    bits = np.zeros(len(widths), np.int64)
    spare = max(0, total - LARGEST_STEP * len(widths))
    here = np.arange(len(widths))
    for _ in range(total - spare):
        saved = np.where(bits < LARGEST_STEP, saves[here, bits], -1.0)
        bits[int(saved.argmax())] += 1
    steps = [Step(first, wide, int(count)) for first, wide, count in zip(firsts, widths, bits, strict=True) if count]
    while spare:
        steps.append(Step(variances.size, 0, min(spare, LARGEST_STEP)))
        spare -= steps[-1].bits
    return tuple(steps)


class TrellisQuantizer:
    """Components (n, r) float32 to codes (n, size) uint8 and back.

    steps: 8 · size bits in all. values: per step, what its components are in every state, (width, STATES).
    """

    def __init__(self, components: int, steps: Sequence[Step], values: Sequence[Floats]) -> None:
        self.components = components
        self.steps = tuple(steps)
        self.size = sum(step.bits for step in steps) // 8
        self._values = list(values)
        ends = np.cumsum([step.bits for step in steps])
        owner = np.repeat(np.arange(len(self.steps)), [step.width for step in steps])  # (coded,)
        self._coded = np.concatenate([np.arange(step.first, step.first + step.width) for step in steps])  # (coded,)
        start = ends[owner] - MEMORY + 16  # first bit of the window, counted from two bytes before the code
        self._byte, self._shift = start >> 3, (24 - MEMORY - (start & 7)).astype(np.uint32)
        self._flat = np.concatenate([of_step.ravel() for of_step in values])  # (coded * STATES,)
        self._offset = (np.arange(owner.size) * STATES).astype(np.uint32)

    def encode(self, y: Floats) -> Bytes:
        """Codes of components y (n, r): a sequence of states that is nearly the nearest one.

        The circle is closed in two passes: one starts in the middle with every state allowed and finds the state at the
        joint, the other goes round from there and back to there. A row's code does not depend on the other rows.
        """
        codes = np.empty((len(y), self.size), np.uint8)
        order = list(range(len(self.steps)))
        middle = len(order) // 2
        for start in range(0, len(y), _CHUNK):
            part = np.ascontiguousarray(y[start : start + _CHUNK].T, np.float32)  # (r, b)
            joint = self._best(part, order[middle:] + order[:middle], None)[len(order) - 1]  # (b,)
            codes[start : start + _CHUNK] = self._packed(self._best(part, order, joint))
        return codes

    def decode(self, codes: Bytes) -> Floats:
        """Components (n, r) of codes (n, size)."""
        y = np.zeros((len(codes), self.components), np.float32)
        for start in range(0, len(codes), _DECODED):
            states = self.states(codes[start : start + _DECODED])
            y[start : start + _DECODED, self._coded] = self._flat.take(states + self._offset)
        return y

    def states(self, codes: Bytes) -> NDArray[np.uint32]:
        """The state in which each coded component is read, (n, coded)."""
        circle = np.concatenate([codes[:, -2:], codes, codes[:, :1]], axis=1).astype(np.uint32)  # (n, size + 3)
        words = circle[:, :-2] << 16 | circle[:, 1:-1] << 8 | circle[:, 2:]  # (n, size + 1): three bytes each
        return np.asarray((words[:, self._byte] >> self._shift) & np.uint32(STATES - 1))

    def _best(self, y: Floats, order: list[int], joint: NDArray[np.int64] | None) -> NDArray[np.int64]:
        """The states after each step (steps, b) of the best sequence for y (r, b), steps taken in this order.

        joint: the states (b,) to start from and to end in; None leaves both open.
        """
        count = y.shape[1]
        here = np.arange(count)
        costs = np.zeros((STATES, count), np.float32)
        if joint is not None:
            costs[:] = _IMPOSSIBLE
            costs[joint, here] = 0
        spare, square = np.empty_like(costs), np.empty_like(costs)
        came_from: list[NDArray[np.uint8]] = []
        for place in order:
            step = self.steps[place]
            branches, merged = 1 << step.bits, STATES >> step.bits
            # The oldest bits fall out of the window: states that differ in them alone merge, and the cheapest goes on.
            before = costs.reshape(branches, merged, count)
            cheapest, choice = before[0].copy(), np.zeros((merged, count), np.uint8)
            for branch in range(1, branches):
                np.putmask(choice, before[branch] < cheapest, branch)
                np.minimum(cheapest, before[branch], out=cheapest)
            came_from.append(choice)
            if not step.width:
                spare[:] = 0
            for number, values in enumerate(self._values[place]):
                error = square if number else spare
                np.subtract(y[step.first + number], values[:, None], out=error)
                np.multiply(error, error, out=error)
                if number:
                    spare += error
            spare.reshape(merged, branches, count)[...] += cheapest[:, None]
            costs, spare = spare, costs
        states = np.empty((len(order), count), np.int64)
        state = costs.argmin(axis=0) if joint is None else joint
        for place, choice in zip(reversed(order), reversed(came_from), strict=True):
            states[place] = state
            kept = state >> self.steps[place].bits
            state = kept | (choice[kept, here].astype(np.int64) << (MEMORY - self.steps[place].bits))
        return states

    def _packed(self, states: NDArray[np.int64]) -> Bytes:
        """Codes (b, size) of the states after each step (steps, b)."""
        bits = [
            (states[place][:, None] >> np.arange(step.bits - 1, -1, -1)) & 1 for place, step in enumerate(self.steps)
        ]
        return np.packbits(np.concatenate(bits, axis=1).astype(np.uint8), axis=1)


def trellis_quantizer(variances: Floats, size: int) -> TrellisQuantizer:
    """The quantizer of `size` bytes for components with variances (r,) float32, descending."""
    steps, tables = plan_steps(variances, size), quantizers()
    spreads = np.sqrt(variances)  # (r,)
    values = [
        spreads[step.first : step.first + step.width, None] * tables[step.width].scaled(step.bits)
        if step.width
        else np.empty((0, STATES), np.float32)
        for step in steps
    ]
    return TrellisQuantizer(variances.size, steps, values)
