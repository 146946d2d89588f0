"""The nearest people at one moment, by all templates or by one fused template each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from facesearch.gallery.answers import Candidate
from facesearch.gallery.fused_index import FusedIndex
from facesearch.gallery.groups import Group
from facesearch.gallery.ranking import Ranking
from facesearch.gallery.view import Ids, Searchable
from facesearch.store import GalleryState, Moment, PeopleMoment

Vectors = npt.NDArray[np.float32]


class Nearest(Protocol):
    """For probes (m, d): the k nearest people and `more` after them, of a group or of all, but those left out."""

    @property
    def size(self) -> int:
        """How many templates, or people, are searched among."""
        ...

    def __call__(self, probes: Vectors, left_out: Group | None = None) -> list[list[Candidate]]: ...


@dataclass(frozen=True, slots=True)
class AllTemplates:
    """By the best template of each person."""

    ranking: Ranking
    moment: PeopleMoment
    view: Searchable
    among: Group | None
    k: int
    more: int

    @property
    def size(self) -> int:
        return len(self.view) if self.among is None else len(self.among.templates)

    def __call__(self, probes: Vectors, left_out: Group | None = None) -> list[list[Candidate]]:
        chosen, gone = _templates(self.among), _templates(left_out)
        return self.ranking.nearest(self.moment, self.view, probes, self.k, self.more, among=chosen, left_out=gone)


@dataclass(frozen=True, slots=True)
class FusedPeople:
    """By the fused template of each person."""

    fused: FusedIndex
    moment: Moment
    state: GalleryState
    among: Group | None
    k: int
    more: int

    @property
    def size(self) -> int:
        return self.fused.size(self.moment, self.state, _identities(self.among))

    def __call__(self, probes: Vectors, left_out: Group | None = None) -> list[list[Candidate]]:
        chosen, gone = _identities(self.among), _identities(left_out)
        return self.fused.nearest(self.moment, self.state, probes, self.k + self.more, among=chosen, left_out=gone)


def _templates(group: Group | None) -> Ids | None:
    return None if group is None else group.templates


def _identities(group: Group | None) -> Ids | None:
    return None if group is None else group.identities
