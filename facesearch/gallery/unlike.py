"""Templates that were given to a person and do not look like the person's others."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from facesearch.gallery.parts import Parts

_AT_ONCE = 1024


@dataclass(frozen=True, slots=True)
class Unlike:
    """similarity (cosine) of the two most alike templates, and the gallery's threshold, which is above it."""

    similarity: float
    threshold: float


def unlike(parts: Parts, given: Collection[int], identity: str) -> Unlike | None:
    """How far a person's templates with these ids are from the person's others; None where the most alike two reach
    the threshold, where there are none to compare, or where the threshold is not known.

    The similarity is compared as it is: normalised scores are lower.
    """
    settings = parts.settings()
    threshold = parts.known_threshold(settings)
    ids = [info.id for info in parts.store.identities.templates(identity) if info.state == "active"]
    new, others = [each for each in ids if each in set(given)], [each for each in ids if each not in set(given)]
    if threshold is None or not new or not others:
        return None
    stored = parts.store.templates.codes(new + others)
    vectors = parts.codecs.decode(stored.codes, stored.codecs, settings.dimension)
    is_new = np.isin(stored.ids, new)
    of_new, of_others = vectors[is_new], vectors[~is_new]
    if not len(of_new) or not len(of_others):  # taken out meanwhile
        return None
    starts = range(0, len(of_new), _AT_ONCE)
    best = max(float((of_new[start : start + _AT_ONCE] @ of_others.T).max()) for start in starts)
    return Unlike(min(best, 1.0), threshold) if best < threshold else None
