"""Which templates of a person to keep where there are many: those that stand for the others.

Facility location, greedy (Nemhauser, Wolsey, Fisher 1978): a template is worth, to each template of its person, their
similarity, as far as that is more than what those chosen before are worth to it; templates count by their quality. One
that is like none of the others is worth little even to itself, so that a photo of somebody else is not kept for being
different; what is poor beside the person's others is not kept at all.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]

_POOR = 0.5  # of the median quality of a person's templates, below which one is not kept
_BLOCK = 1024  # templates compared with all others at once: bounds memory
_LEAST_WEIGHT = 1e-3


def representatives(templates: Vectors, qualities: npt.NDArray[np.floating], keep: int) -> npt.NDArray[np.int64]:
    """The rows (keep,), ascending, of a person's templates (n, d), of unit length, that best stand for all of them.

    qualities (n,): any scale, not negative. All rows where there are no more than `keep`. The same for the same
    templates in the same order.
    """
    n = len(templates)
    if n <= keep:
        return np.arange(n)
    offered = _good(qualities, keep)
    x = templates[offered]
    weights = np.maximum(qualities[offered], _LEAST_WEIGHT).astype(np.float32)
    own = np.concatenate([_alike(x, first, None).max(axis=1) for first in range(0, len(x), _BLOCK)])
    worth = np.zeros(len(x), np.float32)  # of those chosen, to each
    chosen: list[int] = []
    while len(chosen) < keep:
        gains = np.concatenate(
            [np.maximum(_alike(x, first, own) - worth, 0.0) @ weights for first in range(0, len(x), _BLOCK)]
        )
        gains[chosen] = -1.0
        best = int(gains.argmax())
        chosen.append(best)
        alike = np.maximum(x @ x[best], 0.0)
        alike[best] = own[best]
        worth = np.maximum(worth, alike)
    return np.sort(offered[chosen])


def _good(qualities: npt.NDArray[np.floating], keep: int) -> npt.NDArray[np.int64]:
    """The rows that are not poor beside the others; the `keep` best where those are fewer."""
    good = np.flatnonzero(qualities >= _POOR * np.median(qualities))
    return good if len(good) >= keep else np.sort(np.argsort(-qualities, kind="stable")[:keep])


def _alike(x: Vectors, first: int, own: Vectors | None) -> Vectors:
    """How alike a block of templates are to all (block, n), not below 0; own (n,): what each is to itself, else 0."""
    rows = np.arange(first, min(first + _BLOCK, len(x)))
    alike: Vectors = np.maximum(x[rows] @ x.T, 0.0)
    alike[np.arange(len(rows)), rows] = 0.0 if own is None else own[rows]
    return alike
