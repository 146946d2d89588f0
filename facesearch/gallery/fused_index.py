"""One fused template per person in place of all of them: a smaller index, and single bad photos cannot match.

The fused index follows the store: whenever somebody was enrolled, forgotten or merged, the persons are fused anew from
the stored templates. It lives in memory; names are looked up when it answers.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facesearch.codecs.gallery_codecs import GalleryCodecs
from facesearch.errors import IndexStateError
from facesearch.gallery.answers import Candidate
from facesearch.gallery.index_filling import IndexFiller
from facesearch.store import GalleryState, Moment, PeopleState
from indexes import VectorIndex, VectorIndexError, create_index

Vectors = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

# A template counts as an outlier where its cosine to the mean of the others lies further below the median of these
# cosines than this many median deviations; and never where it is nearly as alike as all are.
_DEVIATIONS = 4.0
_ALIKE = 0.1
_FEWEST = 3  # of two templates, nobody can say which one is wrong
_LEAST_WEIGHT = 1e-3
_BLOCK = 8192  # templates fused at once: bounds memory


def fused_templates(templates: Vectors, counts: npt.NDArray[np.int64], qualities: Doubles) -> Vectors:
    """For p persons with `counts` (p,) of the templates (n, d) each, one after the other: the mean of each one's
    templates, weighted by quality, of unit length, without outliers: (p, d).

    qualities (n,): any scale, not negative; where all of a person's are 0 they count the same. The order of a person's
    templates is of no consequence but for rounding.
    """
    starts = np.cumsum(counts) - counts
    person = np.repeat(np.arange(len(counts)), counts)  # (n,)
    weights = np.maximum(np.asarray(qualities, np.float64), 0.0)
    largest = np.maximum.reduceat(weights, starts)
    weights = np.where(largest[person] > 0, weights / np.where(largest > 0, largest, 1.0)[person], 1.0)
    weights = np.maximum(weights, _LEAST_WEIGHT)
    x = templates.astype(np.float64)
    weighted = weights[:, None] * x
    total = np.add.reduceat(weighted, starts)  # (p, d)
    others = total[person] - weighted  # for each template the sum of all others of its person
    cosines = np.vecdot(others, x) / np.maximum(np.linalg.norm(others, axis=1), 1e-12)
    middle = _medians(cosines, person, starts, counts)
    deviation = np.maximum(_medians(np.abs(cosines - middle[person]), person, starts, counts) * _DEVIATIONS, _ALIKE)
    kept = (counts[person] < _FEWEST) | (cosines >= (middle - deviation)[person])
    mean = np.add.reduceat(np.where(kept[:, None], weighted, 0.0), starts)
    length = np.linalg.norm(mean, axis=1)
    for lost in np.flatnonzero(length < 1e-6).tolist():  # they point away from each other: the best one stands for all
        rows = np.flatnonzero(kept & (person == lost))
        mean[lost] = x[rows[weights[rows].argmax()]]
        length[lost] = np.linalg.norm(mean[lost])
    return np.asarray(mean / length[:, None], np.float32)


def _medians(
    values: Doubles, person: npt.NDArray[np.int64], starts: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]
) -> Doubles:
    """The median (p,) of each person's values (n,)."""
    ordered = values[np.lexsort((values, person))]
    middle: Doubles = (ordered[starts + (counts - 1) // 2] + ordered[starts + counts // 2]) / 2
    return middle


@dataclass(frozen=True, slots=True)
class _Fused:
    index: VectorIndex  # ids are those of identities; never changed
    first_template: dict[int, int]  # of each identity
    state: PeopleState


class FusedIndex:
    """An exact index of one fused template per person, in step with the store. Safe to share between threads."""

    def __init__(self, codecs: GalleryCodecs) -> None:
        self._codecs = codecs
        self._fused: _Fused | None = None
        self._fusing = threading.Lock()

    def nearest(
        self,
        moment: Moment,
        state: GalleryState,
        probes: Vectors,
        k: int,
        *,
        among: npt.NDArray[np.int64] | None = None,
        left_out: npt.NDArray[np.int64] | None = None,
    ) -> list[list[Candidate]]:
        """For probes (m, d): the k persons whose fused template is most similar, ties by who was enrolled first.

        A candidate's template_id is that of the person's first template. among, left_out: ids (n,) of the only
        identities that count, and of those that do not.
        """
        fused = self._current(moment, state)
        try:
            k = min(k, max(len(fused.index), 1))
            scores, ids = fused.index.search(probes, k, excluded=left_out, allowed=among)
        except VectorIndexError as error:
            raise IndexStateError(str(error)) from error
        shown = {identity: fused.first_template[identity] for identity in np.unique(ids[ids >= 0]).tolist()}
        owners = moment.owners(list(shown.values()))
        answers = []
        for row in range(len(probes)):
            found: list[Candidate] = []
            for score, identity in zip(scores[row].tolist(), ids[row].tolist(), strict=True):
                if identity >= 0:
                    similarity = max(-1.0, min(score, 1.0))
                    template_id = shown[identity]
                    owner = owners[template_id].identity
                    found.append(Candidate(len(found) + 1, owner, similarity, template_id, score=similarity))
            answers.append(found)
        return answers

    def size(self, moment: Moment, state: GalleryState, among: npt.NDArray[np.int64] | None = None) -> int:
        """How many persons there are, or are of those with the ids `among` (n,)."""
        persons = self._current(moment, state).first_template
        return len(persons) if among is None else sum(identity in persons for identity in among.tolist())

    def _current(self, moment: Moment, gallery: GalleryState) -> _Fused:
        state = gallery.of_people
        fused = self._fused
        if fused is None or fused.state != state:
            with self._fusing:
                fused = self._fused
                if fused is None or fused.state != state:
                    fused = self._fused = self._made(moment, gallery, state)
        return fused

    def _made(self, moment: Moment, gallery: GalleryState, state: PeopleState) -> _Fused:
        filler = IndexFiller(self._codecs, gallery.settings)
        held = moment.template_owners()  # by template id
        vectors = np.zeros((len(held.ids), gallery.settings.dimension), np.float32)
        done = 0
        for batch in moment.templates():
            vectors[done : done + len(batch)] = filler.decode(batch)
            done += len(batch)
        order = np.lexsort((held.ids, held.identity_ids))
        identities, starts, counts = np.unique(held.identity_ids[order], return_index=True, return_counts=True)
        try:
            index = create_index("flat", gallery.settings.dimension)
            for first, last in _blocks(counts):
                rows = order[starts[first] : starts[last - 1] + counts[last - 1]]
                fused = fused_templates(vectors[rows], counts[first:last], held.qualities[rows])
                index.add(identities[first:last], fused)
        except VectorIndexError as error:
            raise IndexStateError(str(error)) from error
        first_template = dict(zip(identities.tolist(), held.ids[order[starts]].tolist(), strict=True))
        return _Fused(index, first_template, state)


def _blocks(counts: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
    """Persons first to last (not included) with about `_BLOCK` templates together."""
    edges = np.flatnonzero(np.diff(np.cumsum(counts) // _BLOCK)) + 1
    ends = [*edges.tolist(), len(counts)] if len(counts) else []
    return list(zip([0, *ends[:-1]], ends, strict=True)) if ends else []
