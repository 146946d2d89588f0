"""Places in a photo."""

from __future__ import annotations

Box = tuple[float, float, float, float]
"""Left, top, width, height in pixels of the upright image; may reach beyond it."""

_SHARED = 0.5  # of what two boxes cover, from which on they are of one face


def same_place(one: Box | None, other: Box | None) -> bool:
    """Whether two boxes in a photo are of one face; None, which stands for an unknown place, may be of any."""
    if one is None or other is None:
        return True
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    shared = max(width, 0.0) * max(height, 0.0)
    return shared >= _SHARED * (one[2] * one[3] + other[2] * other[3] - shared)
