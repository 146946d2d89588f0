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
    matched = {
        place: found[0].template_id
        for place, (quality, found) in enumerate(zip(qualities, candidates, strict=True))
        if quality < GOOD and found and found[0].score >= limit
    }
    held: dict[int, float] = {}
    if matched and parts.pipeline().spec.quality != "off":
        held = parts.source.qualities(list(matched.values()))
    return [place in matched and held.get(matched[place], 1.0) < GOOD for place in range(len(qualities))]
