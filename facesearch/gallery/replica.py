"""What questions ask of a gallery besides what is near, as this machine knows it: a replica of one position of the log.

It is read from the server as one moment, brought up to date by what came since, and never changed: what is newer makes
another one. With the view of the same position, questions are answered from it without asking the server.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from facesearch.gallery.view import Ids, View
from facesearch.store import (
    AsOf,
    Calibration,
    Cohort,
    EncoderKey,
    GalleryState,
    GalleryStore,
    Moment,
    Negative,
    Owner,
    People,
    TemplateOwners,
    unknown_identity,
    unknown_tag,
)


@dataclass(frozen=True, eq=False)
class Replica:
    """See above. owners: of all templates in use."""

    state: GalleryState
    encoder: EncoderKey | None
    calibration: Calibration | None
    cohort: Cohort | None
    people: People
    owners: TemplateOwners
    ignored: Ids
    negatives: tuple[Negative, ...]

    @cached_property
    def tagged(self) -> dict[str, Ids]:
        """Ids of the identities with each tag."""
        found: dict[str, list[int]] = {}
        for number, tags in self.people.tags.items():
            for tag in tags:
                found.setdefault(tag, []).append(number)
        return {tag: np.sort(np.array(ids, np.int64)) for tag, ids in found.items()}

    @cached_property
    def by_identity(self) -> tuple[Ids, Ids]:
        """Identity ids, ascending, and the template of each: (n,) twice."""
        order = np.argsort(self.owners.identity_ids, kind="stable")
        return self.owners.identity_ids[order], self.owners.ids[order]

    def rows(self, template_ids: Sequence[int]) -> tuple[Ids, Ids]:
        """Those of template_ids that are in use, and their places in `owners`."""
        asked = np.asarray(template_ids, np.int64)
        rows = np.searchsorted(self.owners.ids, asked)
        rows[rows == len(self.owners.ids)] = 0
        known = self.owners.ids[rows] == asked if len(self.owners.ids) else np.zeros(len(asked), np.bool_)
        return asked[known], rows[known]

    def qualities(self, template_ids: Sequence[int]) -> dict[int, float]:
        """See `facesearch.store.roles.TemplatesRole.qualities`."""
        ids, rows = self.rows(template_ids)
        return dict(zip(ids.tolist(), self.owners.qualities[rows].tolist(), strict=True))


class ReplicaMoment:
    """The moment of a replica; see `facesearch.store.moment_roles.PeopleMoment`. view: of the same position."""

    def __init__(self, replica: Replica, view: View, as_of: AsOf) -> None:
        self.as_of = as_of
        self.view = view
        self._replica = replica

    def state(self) -> GalleryState:
        return self._replica.state

    def owners(self, template_ids: Sequence[int]) -> dict[int, Owner]:
        people, held = self._replica.people, self._replica.owners
        ids, rows = self._replica.rows(template_ids)
        identities = held.identity_ids[rows]
        places = np.searchsorted(people.ids, identities).tolist()
        return {
            number: Owner(identity, people.names[place])
            for number, identity, place in zip(ids.tolist(), identities.tolist(), places, strict=True)
        }

    def template_ids(self, identity_ids: Sequence[int]) -> npt.NDArray[np.int64]:
        identities, templates = self._replica.by_identity
        asked = np.unique(np.asarray(identity_ids, np.int64))
        edges = zip(
            np.searchsorted(identities, asked, "left").tolist(),
            np.searchsorted(identities, asked, "right").tolist(),
            strict=True,
        )
        found = [templates[first:last] for first, last in edges]
        return np.sort(np.concatenate(found)) if found else np.zeros(0, np.int64)

    def group(self, names: Sequence[str], tags: Sequence[str]) -> npt.NDArray[np.int64]:
        people = self._replica.people
        found = [np.zeros(0, np.int64)]
        for name in dict.fromkeys(names):
            try:
                found.append(people.ids[[people.names.index(name)]])
            except ValueError:
                raise unknown_identity(name, people.names) from None
        for tag in dict.fromkeys(tags):
            if tag not in self._replica.tagged:
                raise unknown_tag(tag, self._replica.tagged)
            found.append(self._replica.tagged[tag])
        return np.unique(np.concatenate(found))

    def ignored(self) -> npt.NDArray[np.int64]:
        return self._replica.ignored

    def negatives(self) -> list[Negative]:
        return list(self._replica.negatives)


QuestionMoment = Moment | ReplicaMoment
"""What a question is asked at."""


# What is done in a gallery, as the audit log has it, that adds templates at most; that changes people, and no template.
_ADDING = {"enroll", "import", "backup", "export", "calibrate"}
_NAMING = {"rename", "set", "ignore", "ignore no longer"}


class Held(NamedTuple):
    """A replica and the view of the same position. confirmed: when they were known to be the latest, on the monotonic
    clock."""

    replica: Replica
    view: View
    confirmed: float


def replica_at(store: GalleryStore, moment: Moment, state: GalleryState, old: Replica | None) -> Replica:
    """The replica of a moment whose state is given, made from an older one where there is one."""
    done = set[str]() if old is None else moment.actions_since(old.state.last_event or 0)
    if old is None or _decides_otherwise(old.state, state) or "calibrate" in done:
        encoder, calibration = store.settings.encoder(), store.settings.calibration()
        cohort = None if state.cohort is None else store.cohort.read()
    else:
        encoder, calibration, cohort = old.encoder, old.calibration, old.cohort
    if old is None or not done <= _ADDING | _NAMING or not _only_added(old.state, state):
        people, owners, ignored = moment.people(), moment.template_owners(), moment.ignored()
        negatives = tuple(moment.negatives()) if state.last_negative is not None else ()
    else:
        people, owners, ignored, negatives = old.people, old.owners, old.ignored, old.negatives
        if done & _NAMING:
            people, ignored = moment.people(), moment.ignored()
        elif old.state.position != state.position:
            people = _more_people(people, moment.people(_last(people.ids)))
        if old.state.position != state.position:
            owners = _more_owners(owners, moment.template_owners(_last(owners.ids)))
    return Replica(state, encoder, calibration, cohort, people, owners, ignored, negatives)


def is_same(one: GalleryState, other: GalleryState) -> bool:
    """Whether nothing that a replica holds differs between two moments."""
    return replace(one, index_version=None) == replace(other, index_version=None)


def _decides_otherwise(old: GalleryState, new: GalleryState) -> bool:
    """Whether settings or cohort differ between two moments."""
    return (old.settings, old.cohort) != (new.settings, new.cohort)


def _only_added(old: GalleryState, new: GalleryState) -> bool:
    """Whether no template was taken out between two moments, and no negative came."""
    return (
        (old.last_event or 0) <= (new.last_event or 0)
        and old.last_negative == new.last_negative
        and old.position.last_removal_id == new.position.last_removal_id
        and old.position.last_template_id <= new.position.last_template_id
    )


def _more_people(old: People, new: People) -> People:
    if not len(new.ids):
        return old
    return People(np.concatenate([old.ids, new.ids]), old.names + new.names, old.tags | new.tags)


def _more_owners(old: TemplateOwners, new: TemplateOwners) -> TemplateOwners:
    return TemplateOwners(
        np.concatenate([old.ids, new.ids]),
        np.concatenate([old.identity_ids, new.identity_ids]),
        np.concatenate([old.qualities, new.qualities]),
    )


def _last(ids: Ids) -> int:
    return int(ids[-1]) if len(ids) else 0
