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
from facesearch.gallery.view import View
from facesearch.store import GalleryState, Moment

Vectors = npt.NDArray[np.float32]


class Nearest(Protocol):
    """For probes (m, d): the k nearest people, and `more` after them, of a group or of all, without those left out."""

    @property
    def size(self) -> int:
        """How many templates, or people, there are."""
        ...

    def size_of(self, group: Group) -> int:
        """How many of them are of a group."""
        ...

    def __call__(
        self, probes: Vectors, k: int, more: int, among: Group | None, left_out: Group | None
    ) -> list[list[Candidate]]: ...


@dataclass(frozen=True, slots=True)
class AllTemplates:
    """By the best template of each person."""

    ranking: Ranking
    moment: Moment
    view: View

    @property
    def size(self) -> int:
        return len(self.view)

    def size_of(self, group: Group) -> int:
        return len(group.templates)

    def __call__(
        self, probes: Vectors, k: int, more: int, among: Group | None, left_out: Group | None
    ) -> list[list[Candidate]]:
        chosen, gone = (None if group is None else group.templates for group in (among, left_out))
        return self.ranking.nearest(self.moment, self.view, probes, k, more, among=chosen, left_out=gone)


@dataclass(frozen=True, slots=True)
class FusedPeople:
    """By the fused template of each person."""

    fused: FusedIndex
    moment: Moment
    state: GalleryState

    @property
    def size(self) -> int:
        return self.fused.size(self.moment, self.state)

    def size_of(self, group: Group) -> int:
        return len(group.identities)

    def __call__(
        self, probes: Vectors, k: int, more: int, among: Group | None, left_out: Group | None
    ) -> list[list[Candidate]]:
        chosen, gone = (None if group is None else group.identities for group in (among, left_out))
        return self.fused.nearest(self.moment, self.state, probes, k + more, among=chosen, left_out=gone)
