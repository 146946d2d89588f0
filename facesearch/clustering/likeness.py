"""How alike two faces have to be to be taken for one person's, among so many faces."""

from __future__ import annotations

from facesearch.encoders import Model

_FACES_LIKE_ANOTHER = 0.05
"""The share of the faces, all of different people, that may be so much like some other one."""


def least_similarity(model: Model, faces: int) -> float:
    """The cosine that joins two of so many faces, by templates of a model.

    Each face is compared with all others, so that the more there are the rarer a false match has to be. Where false
    matches of the encoder were never counted, and at least, its threshold.
    """
    rare = model.background.similarity(_FACES_LIKE_ANOTHER / max(faces, 1)) if model.background else None
    return model.threshold if rare is None else max(model.threshold, min(rare, 1.0))
