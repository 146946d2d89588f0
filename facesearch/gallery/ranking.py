"""From the nearest templates to candidates: the best template of each person, k persons for k asked."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from facesearch.errors import StoreError
from facesearch.gallery.answers import Candidate
from facesearch.gallery.view import Ids, Searchable
from facesearch.store import Owner, PeopleMoment

_LEAST_SPARE, _MOST_SPARE = 4, 64  # templates asked of the index per identity wanted, to begin with
_SPARE_OF_MORE = 2  # of those that only have to be known as well
_CROWD = 256  # templates per identity found, from which on asking for more at once does not help


class Ranking:
    """Finds the k nearest identities in views of one gallery; learns how many templates it has to ask for at once.

    Safe to share between threads: what it learns changes how long an answer takes, never the answer.
    """

    def __init__(self) -> None:
        self._spare = _LEAST_SPARE

    def nearest(
        self,
        moment: PeopleMoment,
        view: Searchable,
        probes: npt.NDArray[np.float32],
        k: int,
        more: int = 0,
        *,
        among: Ids | None = None,
        left_out: Ids | None = None,
    ) -> list[list[Candidate]]:
        """For probes (m, d) float32, searched as one batch: the k identities with the most similar template each, and
        `more` after them, of which few have several templates that are as similar.

        Best first; equal similarities by lowest template id. Fewer than k only where there are fewer identities. The
        time does not grow with the templates of one person: once found, a person's other templates are passed over.
        among, left_out: ids (n,) of the only templates that count, and of those that do not.
        """
        most = len(view) if among is None else len(among)
        fetch = max(1, min(self._spare * k + _SPARE_OF_MORE * more, most))
        k += more
        scores, ids = view.search(probes, fetch, left_out, among)  # (m, fetch) twice
        owners = _owners(moment, ids)
        answers, unfinished = [], 0
        for row, probe in enumerate(probes):
            best = _best_per_identity(scores[row], ids[row], owners)
            if len(best) < k and fetch < most:
                unfinished += self._finish(moment, view, probe, k, best, among, left_out)
            answers.append(_candidates(best, k))
        if 8 * unfinished > len(probes):
            self._spare = min(2 * self._spare, _MOST_SPARE)
        return answers

    @staticmethod
    def _finish(
        moment: PeopleMoment,
        view: Searchable,
        probe: npt.NDArray[np.float32],
        k: int,
        best: dict[int, tuple[float, int, Owner]],
        among: Ids | None,
        left_out: Ids | None,
    ) -> bool:
        """Look further until k identities are found, or all; returns whether asking for more at first had helped."""
        crowded = False
        while len(best) < k:
            known = moment.template_ids(list(best))
            crowded |= known.size > _CROWD * len(best)
            passed = known if left_out is None else np.union1d(known, left_out)
            scores, ids = view.search(probe[None], max(1, _LEAST_SPARE * (k - len(best))), passed, among)
            more = _best_per_identity(scores[0], ids[0], _owners(moment, ids))
            if not more:
                break
            best.update(more)
        return not crowded


def _owners(moment: PeopleMoment, ids: Ids) -> dict[int, Owner]:
    found = np.unique(ids[ids >= 0])
    owners = moment.owners(found.tolist())
    if len(owners) < len(found):
        missing = next(number for number in found.tolist() if number not in owners)
        raise StoreError(f"template {missing} is missing in the database; see facesearch index check")
    return owners


def _best_per_identity(
    scores: npt.NDArray[np.float32], ids: Ids, owners: dict[int, Owner]
) -> dict[int, tuple[float, int, Owner]]:
    """The first template of each identity in a ranking: identity id -> (score, template id, owner), best first."""
    best: dict[int, tuple[float, int, Owner]] = {}
    for score, template_id in zip(scores.tolist(), ids.tolist(), strict=True):
        if template_id >= 0:
            owner = owners[template_id]
            best.setdefault(owner.identity_id, (score, template_id, owner))
    return best


def _candidates(best: dict[int, tuple[float, int, Owner]], k: int) -> list[Candidate]:
    return [
        _candidate(rank, owner, max(-1.0, min(similarity, 1.0)), template_id)
        for rank, (similarity, template_id, owner) in enumerate(list(best.values())[:k], start=1)
    ]


def _candidate(rank: int, owner: Owner, similarity: float, template_id: int) -> Candidate:
    return Candidate(rank, owner.identity, similarity, template_id, score=similarity)
