"""Places in a photo."""

from __future__ import annotations

Box = tuple[float, float, float, float]
"""Left, top, width, height in pixels of the upright image; may reach beyond it."""
