"""What looks wrong in a gallery: templates of somebody else, people who are enrolled twice, names that stand for
two people, photos that are too poor.

One check for the whole gallery and for the new photos of an enrolment: what is asked for is judged with its people and
the people nearest to them (`facesearch.gallery.suspicion`). Nothing is changed; what a person said to be right is not
told again.
"""

from __future__ import annotations

import logging
from collections.abc import Collection

import numpy as np

from facesearch.errors import StoreError
from facesearch.gallery.neighbourhood import Progress, Surroundings, surroundings
from facesearch.gallery.parts import Parts
from facesearch.gallery.suspect import Suspect
from facesearch.gallery.suspects_told import told, told_alone
from facesearch.gallery.suspicion import Judgement, judged
from facesearch.gallery.two_people_told import most_certain_of_each, told_of_two
from facesearch.store import KeptSuspect

_log = logging.getLogger("facesearch")

LEAST = 0.2
"""The confidence from which on suspects are told."""
LIKELY = 0.5
"""The same of the new photos of an enrolment."""
_PLAUSIBLE = 0.1  # pairs of whom the other person's neighbours are looked at, too
_MOST_AGAIN = 16  # templates of that person


def suspects(
    parts: Parts,
    templates: Collection[int] | None = None,
    *,
    least: float = LEAST,
    progress: Progress | None = None,
    strict: bool = False,
) -> list[Suspect]:
    """What is suspicious of these templates and their people, None: of all; the most certain ones first.

    least: the confidence from which on they are told. progress: called with (templates looked at, in all). Where what
    was kept is damaged, a warning says so, and all is told; strict: `StoreError` is raised instead, as before templates
    are taken out that somebody may have found to be right.
    """
    if templates is not None and not templates:
        return []
    kept = _kept(parts, strict=strict)
    around = surroundings(parts, templates, progress)
    if around is None:
        return []
    judgement = judged(around.hood, around.scale)
    if templates is not None and (more := _unseen(around, judgement)):
        wider = surroundings(parts, {*templates, *more})
        if wider is not None:
            around, judgement = wider, judged(wider.hood, wider.scale)
    found = told(parts, around, judgement, templates, least)
    found += told_of_two(parts, around, told_alone(around, judgement, found), templates, least)
    open_ = [suspect for suspect in found if suspect.key not in kept]
    open_.sort(key=lambda item: (-item.confidence, item.template_id or 0, item.identity))
    return most_certain_of_each(open_)


def _kept(parts: Parts, *, strict: bool) -> set[KeptSuspect]:
    try:
        return parts.store.suspicions.all()
    except StoreError as error:
        if strict:
            raise
        # what was done before must be told all the same
        _log.warning("%s; until then what was kept is told again", error)
        return set()


def _unseen(around: Surroundings, judgement: Judgement) -> list[int]:
    """Templates of people who may be one with somebody asked for, and whose neighbours have not been looked at."""
    hood = around.hood
    seen = np.zeros(len(around.identity_ids), bool)
    seen[hood.people[hood.judged]] = True
    plausible = judgement.one >= _PLAUSIBLE
    people = np.union1d(judgement.these[plausible], judgement.those[plausible])
    found: list[int] = []
    for person in people[~seen[people]].tolist():
        found += around.ids[np.flatnonzero(hood.people == person)[:_MOST_AGAIN]].tolist()
    return found
