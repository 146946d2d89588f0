"""Vectors of nobody, from which index kinds learn their codebooks.

What is learnt from the people of a gallery gives them away: who was among the teachers can be told from the codebook
(docs/research/indexes.md), also after they were forgotten. Galleries therefore learn from vectors that are drawn anew.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from facesearch.assets import manifest, read_asset
from facesearch.encoders.background import prototypes
from indexes import parse_kind
from indexes.karhunen import KarhunenLoeve, drawn_vectors

Vectors = npt.NDArray[np.float32]

_DRAWN = 16_384  # twice as many gain less than 0.001 of cosine and cost as much time again
_PER_LIST = 16  # the fewest from which an inverted file makes a list
_MOST = 65_536


def population(model: str, kind: str, dimension: int) -> Vectors:
    """Vectors (n, dimension) of unit length to train an index of the kind on: always the same ones.

    They follow the statistics of a model's templates of public-domain portraits where these come with the package; a
    quarter lies around the package's prototypes of small children, whom encoders see apart from adults. Of other models
    nothing is known without looking at somebody: theirs point in all directions alike.
    """
    parsed = parse_kind(kind)
    lists = max(stage.lists for stage in parsed.stages)
    count = min(_MOST, max(_DRAWN, _PER_LIST * lists, parsed.training_size))
    statistics = shipped_statistics(model, dimension)
    return drawn_vectors(count, dimension, statistics, None if statistics is None else prototypes(model))


def population_origin(model: str, dimension: int) -> str:
    """What the vectors of `population` were drawn from, in words."""
    if shipped_statistics(model, dimension) is None:
        return "learnt from random directions: no statistics of the model come with the package"
    return f"learnt from vectors drawn from the {manifest()[_asset(model)].origin}"


def shipped_statistics(model: str, dimension: int) -> bytes | None:
    """Mean, principal axes and variances (`indexes.karhunen`) of a model's templates that come with the package."""
    asset = _asset(model)
    if asset not in manifest():
        return None
    content = read_asset(asset)
    return content if KarhunenLoeve.from_bytes(content).dimension == dimension else None


def _asset(model: str) -> str:
    return f"codebook-{model}"
