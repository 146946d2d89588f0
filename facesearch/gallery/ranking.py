"""From the nearest templates to candidates: the best template of each person, k persons for k asked."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from facesearch.gallery.answers import Candidate
from facesearch.gallery.template_index import IndexProjection
from facesearch.store import IdentityStore, Owner

_SPARE = 4  # templates asked of the index per identity wanted, to begin with


def nearest_identities(
    store: IdentityStore, projection: IndexProjection, probes: npt.NDArray[np.float32], k: int
) -> list[list[Candidate]]:
    """For probes (m, d) float32, searched as one batch: the k identities with the most similar template each.

    Best first; equal similarities by lowest template id. Fewer than k only where there are fewer identities.
    """
    index = projection.current()
    wanted, fetch = min(k, store.counts().identities), _SPARE * k
    answers: list[list[Candidate]] = [[] for _ in probes]
    open_probes = list(range(len(probes)))
    while open_probes:
        fetch = min(fetch, max(len(index), 1))
        scores, ids = projection.search(probes[open_probes], fetch)
        found = np.unique(ids[ids >= 0])
        owners = store.owners(found.tolist())
        if len(owners) < len(found):
            projection.require_gone(found[~np.isin(found, list(owners))])
        unfinished = []
        for row, probe in enumerate(open_probes):
            answers[probe] = best_per_identity(scores[row], ids[row], owners, k)
            if len(answers[probe]) < wanted and fetch < len(index):
                unfinished.append(probe)
        open_probes, fetch = unfinished, fetch * 4
    return answers


def best_per_identity(
    scores: npt.NDArray[np.float32], ids: npt.NDArray[np.int64], owners: dict[int, Owner], k: int
) -> list[Candidate]:
    """The first template of each identity in a ranking, at most k."""
    best: dict[int, Candidate] = {}
    for score, template_id in zip(scores.tolist(), ids.tolist(), strict=True):
        owner = owners.get(template_id)
        if owner is None or owner.identity_id in best:
            continue
        best[owner.identity_id] = Candidate(len(best) + 1, owner.identity, max(-1.0, min(score, 1.0)), template_id)
        if len(best) == k:
            break
    return list(best.values())
