"""One fused template per person in place of all of them: a smaller index, and single bad photos cannot match.

The fused index follows the store: whenever somebody was enrolled, forgotten or merged, the persons are fused anew from
the stored templates. It lives in memory; names are looked up when it answers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facesearch.errors import IndexStateError
from facesearch.gallery.answers import Candidate
from facesearch.store import IdentityStore, Templates, Watermark
from indexes import VectorIndex, VectorIndexError, create_index

Vectors = npt.NDArray[np.float32]

# A template counts as an outlier where its cosine to the mean of the others lies further below the median of these
# cosines than this many median deviations; and never where it is nearly as alike as all are.
_DEVIATIONS = 4.0
_ALIKE = 0.1
_FEWEST = 3  # of two templates, nobody can say which one is wrong
_LEAST_WEIGHT = 1e-3


def fused_template(templates: Vectors, qualities: npt.NDArray[np.float64]) -> Vectors:
    """The mean (d,) of one person's templates (n, d), weighted by quality, of unit length, without outliers.

    qualities (n,): any scale, not negative; where all are 0 they count the same. The order of templates is of no
    consequence but for rounding.
    """
    weights = np.maximum(np.asarray(qualities, np.float64), 0.0)
    if not weights.any():
        weights = np.ones(len(templates))
    weights = np.maximum(weights / weights.max(), _LEAST_WEIGHT)
    x = templates.astype(np.float64)
    if len(x) >= _FEWEST:
        total = weights @ x
        others = total - weights[:, None] * x  # (n, d): for each template the sum of all others
        cosines = np.vecdot(others, x) / np.maximum(np.linalg.norm(others, axis=1), 1e-12)
        middle = np.median(cosines)
        deviation = max(np.median(np.abs(cosines - middle)) * _DEVIATIONS, _ALIKE)
        kept = cosines >= middle - deviation
        x, weights = x[kept], weights[kept]
    mean = weights @ x
    length = np.linalg.norm(mean)
    if length < 1e-6:  # templates that point away from each other have no mean: the best one stands for all
        mean, length = x[weights.argmax()], np.linalg.norm(x[weights.argmax()])
    return np.asarray(mean / length, np.float32)


@dataclass(frozen=True, slots=True)
class _Fused:
    index: VectorIndex  # ids are those of identities
    first_template: dict[int, int]  # of each identity
    state: tuple[Watermark, int]


class FusedIndex:
    """An exact index of one fused template per person, in step with the store."""

    def __init__(self, store: IdentityStore, decode: Callable[[Templates], Vectors]) -> None:
        """decode: stored templates -> vectors (n, d)."""
        self._store = store
        self._decode = decode
        self._fused: _Fused | None = None

    def search(self, probes: Vectors, k: int) -> list[list[Candidate]]:
        """For probes (m, d): the k persons whose fused template is most similar, ties by who was enrolled first.

        A candidate's template_id is that of the person's first template.
        """
        for _ in range(2):
            fused = self._current()
            scores, ids = fused.index.search(probes, min(k, max(len(fused.index), 1)))
            shown = {identity: fused.first_template[identity] for identity in np.unique(ids[ids >= 0]).tolist()}
            owners = self._store.owners(list(shown.values()))
            if all(template in owners and owners[template].identity_id == who for who, template in shown.items()):
                break  # otherwise somebody was forgotten or merged in between
        answers = []
        for row in range(len(probes)):
            found: list[Candidate] = []
            for score, identity in zip(scores[row].tolist(), ids[row].tolist(), strict=True):
                owner = owners.get(shown.get(identity, -1))
                if owner is not None and owner.identity_id == identity:
                    similarity = max(-1.0, min(score, 1.0))
                    found.append(Candidate(len(found) + 1, owner.identity, similarity, shown[identity]))
            answers.append(found)
        return answers

    def _current(self) -> _Fused:
        # Enrolling and forgetting move the watermark, for ever on; merging takes an identity away. Renaming changes
        # nothing here.
        state = (self._store.watermark(), self._store.counts().identities)
        if self._fused is None or self._fused.state != state:
            self._fused = self._made(state)
        return self._fused

    def _made(self, state: tuple[Watermark, int]) -> _Fused:
        settings = self._store.settings()
        if settings is None:
            raise IndexStateError("the gallery is empty: enrol somebody first")
        held = self._store.template_owners()  # by template id
        order = np.lexsort((held.ids, held.identity_ids))
        vectors = np.zeros((len(order), settings.dimension), np.float32)
        place = {int(held.ids[row]): number for number, row in enumerate(order.tolist())}
        known = np.zeros(len(order), bool)
        for batch in self._store.templates():
            rows = [place.get(int(template), -1) for template in batch.ids]
            inside = np.array(rows) >= 0
            vectors[np.array(rows)[inside]] = self._decode(batch)[inside]
            known[np.array(rows)[inside]] = True
        order, vectors = order[known], vectors[known]
        identities, starts = np.unique(held.identity_ids[order], return_index=True)
        ends = np.append(starts[1:], len(order))
        qualities = held.qualities[order]
        parts = list(zip(starts.tolist(), ends.tolist(), strict=True))
        fused = [fused_template(vectors[first:last], qualities[first:last]) for first, last in parts]
        try:
            index = create_index("flat", settings.dimension)
            if fused:
                index.add(identities, np.stack(fused))
        except VectorIndexError as error:
            raise IndexStateError(str(error)) from error
        first_template = dict(zip(identities.tolist(), held.ids[order[starts]].tolist(), strict=True))
        return _Fused(index, first_template, state)
