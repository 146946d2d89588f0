"""Two poor photos that look alike: poor photos of different people do."""

from __future__ import annotations

from collections.abc import Sequence

from facesearch.gallery.answers import Candidate
from facesearch.gallery.parts import Parts
from facesearch.pipeline.quality import GOOD


def poor_pairs(
    parts: Parts, qualities: Sequence[float], candidates: Sequence[Sequence[Candidate]], limit: float
) -> list[bool]:
    """Which probes are too poor to tell by what they match: probe and template are both of a quality below `GOOD`.

    qualities, candidates: of each probe. limit: score from which on it is a match.
    """
    asked = [
        quality < GOOD and bool(found) and found[0].score >= limit
        for quality, found in zip(qualities, candidates, strict=True)
    ]
    if not any(asked) or parts.pipeline().spec.quality == "off":
        return [False] * len(asked)
    first = [found[0].template_id for found, ask in zip(candidates, asked, strict=True) if ask]
    held = parts.store.templates.qualities(first)
    each = iter(first)
    return [ask and held.get(next(each), 1.0) < GOOD for ask in asked]
