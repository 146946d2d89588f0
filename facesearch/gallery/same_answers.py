"""Whether two galleries answer the same: what a copy has to do, and one that does not is no copy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facesearch.codecs.gallery_codecs import GalleryCodecs
from facesearch.errors import StoreError
from facesearch.gallery.answers import Candidate
from facesearch.gallery.ranking import Ranking
from facesearch.gallery.view import View
from facesearch.store import GalleryState, Moment
from indexes import parse_kind

_SEARCHES = 32
_K = 5
_ROUNDING = 1e-5  # of scores: blocks of a matrix product may have other edges where segments have


@dataclass(frozen=True, slots=True)
class Asked:
    """A moment of a gallery, and what searches it."""

    moment: Moment
    state: GalleryState
    view: View


def stored_probes(asked: Asked, codecs: GalleryCodecs) -> npt.NDArray[np.float32]:
    """Some of the stored templates (n, d), from the first to the last one."""
    last = asked.state.position.last_template_id
    batches = []
    for after in np.unique(np.linspace(0, max(last - 1, 0), _SEARCHES).astype(np.int64)).tolist():
        batch = next(iter(asked.moment.templates(after, 1)), None)
        if batch is not None:
            batches.append(codecs.decode(batch.codes, batch.codecs, asked.state.settings.dimension))
    return np.concatenate(batches) if batches else np.zeros((0, asked.state.settings.dimension), np.float32)


def require_same_answers(one: Asked, other: Asked, probes: npt.NDArray[np.float32]) -> None:
    """Search for probes (n, d) in both; raises `StoreError` where another answer is given."""
    if not len(probes):
        return
    rankings = [Ranking().nearest(each.moment, each.view, probes, _K) for each in (one, other)]
    is_exact = _same_parts(one.view, other.view) or not _looks_at_parts(one.view.answering)
    for row, (wanted, found) in enumerate(zip(*rankings, strict=True), start=1):
        if not (_same(wanted, found) if is_exact else _alike(wanted, found)):
            raise StoreError(f"the copy answers stored template {row} of {len(probes)} otherwise than the gallery")


def _same_parts(one: View, other: View) -> bool:
    """Whether they search the very same files, and nothing else."""
    stored = [[segment.stored for segment in view.segments] for view in (one, other)]
    return stored[0] == stored[1] and None not in stored[0] and not len(one.delta) and not len(other.delta)


def _looks_at_parts(kind: str) -> bool:
    """Whether a search looks at a part of the templates, which depends on how the index came to be."""
    return any(stage.lists or stage.family.form.startswith("hnsw") for stage in parse_kind(kind).stages)


def _same(wanted: Sequence[Candidate], found: Sequence[Candidate]) -> bool:
    if len(wanted) != len(found):
        return False
    if not all(abs(a.similarity - b.similarity) <= _ROUNDING for a, b in zip(wanted, found, strict=True)):
        return False
    names = {each.identity for each in found}  # those that are as similar as the last one may be others
    least = wanted[-1].similarity + _ROUNDING if wanted else 0.0
    return all(each.identity in names for each in wanted if each.similarity > least)


def _alike(wanted: Sequence[Candidate], found: Sequence[Candidate]) -> bool:
    """Whether those whom both name have the same similarity."""
    known = {(each.identity, each.template_id): each.similarity for each in wanted}
    both = [(each.similarity, known.get((each.identity, each.template_id))) for each in found]
    return all(other is None or abs(similarity - other) <= _ROUNDING for similarity, other in both)
