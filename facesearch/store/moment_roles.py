"""What may be asked of one moment of a gallery."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from facesearch.store.records import (
    AsOf,
    GalleryState,
    Negative,
    Owner,
    People,
    Sizes,
    TemplateOwners,
    TemplateRecord,
    Templates,
)
from facesearch.store.shard import Shard
from facesearch.store.vector_roles import Nearby


class PeopleMoment(Protocol):
    """Whose templates are at one moment, and who is to be left out: what a question asks besides what is near.

    All methods see the same state, whatever is written meanwhile.
    """

    @property
    def as_of(self) -> AsOf | None:
        """How old that is; None where nothing newer was there when it was asked for."""
        ...

    def state(self) -> GalleryState | None:
        """Settings and position, in one statement; None before the first enrolment."""
        ...

    def owners(self, template_ids: Sequence[int]) -> dict[int, Owner]:
        """Whose the templates are; ids that are not stored are left out."""
        ...

    def template_ids(self, identity_ids: Sequence[int]) -> npt.NDArray[np.int64]:
        """Ids (n,) of the templates of these identities, ascending."""
        ...

    def group(self, names: Sequence[str], tags: Sequence[str]) -> npt.NDArray[np.int64]:
        """Ids (n,) of the identities with one of these names or tags, ascending.

        Raises `UnknownIdentityError`, `UnknownTagError`, with what looks alike.
        """
        ...

    def ignored(self) -> npt.NDArray[np.int64]:
        """Ids (n,) of the identities that are never to be named, ascending."""
        ...

    def negatives(self) -> list[Negative]:
        """All negatives, of those that `NegativesRole.all` gives."""
        ...


class Moment(PeopleMoment, Protocol):
    """One moment of a store."""

    def people(self, after_id: int = 0) -> People:
        """The identities with ids above `after_id`, and their tags."""
        ...

    def template_owners(self, after_id: int = 0) -> TemplateOwners:
        """Whose the templates with ids above `after_id` are, and their qualities, by template id."""
        ...

    def templates(self, after_id: int = 0, batch: int = 4096, *, shard: Shard | None = None) -> Iterator[Templates]:
        """All templates, or those of a shard, with ids above `after_id`, in their order."""
        ...

    def codes(self, template_ids: Sequence[int]) -> Templates:
        """The templates with these ids, in this order; ids that are not stored are left out."""
        ...

    def records(self, batch: int = 4096) -> Iterator[list[TemplateRecord]]:
        """All templates with what is known of them, in the order of their ids; none that is set aside."""
        ...

    def sizes(self) -> Sizes:
        """How many templates there are, in use and out of answers."""
        ...

    def removed_since(self, removal_id: int) -> npt.NDArray[np.int64]:
        """Ids (n,) of the templates taken out after that entry of the log."""
        ...

    def actions_since(self, event_id: int) -> set[str]:
        """What was done after that entry of the audit log."""
        ...

    def receivers_since(self, event_id: int) -> npt.NDArray[np.int64]:
        """Ids (n,) of the identities that were given templates of others after that entry of the audit log."""
        ...

    def nearby(self) -> Nearby:
        """What the database finds by itself; raises `UsageError` where it cannot, `StoreError` where it cannot yet."""
        ...
