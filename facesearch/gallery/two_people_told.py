"""From partings of people in two to suspects with names and photos."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from facesearch.gallery.likeness import Ids
from facesearch.gallery.neighbourhood import Surroundings
from facesearch.gallery.parts import Parts
from facesearch.gallery.suspect import Suspect
from facesearch.gallery.two_people import TwoPeople, two_people
from facesearch.store import KeptSuspect, TemplateInfo


def told_of_two(
    parts: Parts, around: Surroundings, out: Ids, asked: Collection[int] | None, least: float
) -> list[Suspect]:
    """Names that stand for two people, with a confidence of `least` or more; several of one person where several
    partings are as sure as that.

    out: rows that are told of by themselves. asked: ids of the templates whose people are told, None: all.
    """
    hood = around.hood
    kept = np.ones(len(hood.people), bool)
    kept[out] = False
    if asked is not None:
        kept &= np.isin(hood.people, hood.people[np.isin(around.ids, list(asked))])
    found = two_people(hood, around.scale, kept, least)
    compared = [_most_alike(around, each) for each in found]
    rows = {row for each in found for row in each.parting.smaller.tolist()} | {pair[1] for pair in compared}
    infos = parts.store.corrections.known([int(around.ids[row]) for row in sorted(rows)])
    suspects = [_suspect(around, each, *pair, infos) for each, pair in zip(found, compared, strict=True)]
    return [suspect for suspect in suspects if suspect is not None]


def most_certain_of_each(suspects: Collection[Suspect]) -> list[Suspect]:
    """Of the partings of each person in two the first one, and all other suspects: the most certain ones first."""
    told: set[str] = set()
    found = []
    for suspect in suspects:
        if suspect.kind != "two-people":
            found.append(suspect)
        elif suspect.identity not in told:
            told.add(suspect.identity)
            found.append(suspect)
    return found


def _most_alike(around: Surroundings, found: TwoPeople) -> tuple[int, int]:
    """The most alike rows of both groups: of the smaller and of the larger one."""
    smaller, larger = found.parting.smaller, found.parting.larger
    alike = around.hood.templates[smaller] @ around.hood.templates[larger].T
    one, other = np.unravel_index(int(alike.argmax()), alike.shape)
    return int(smaller[one]), int(larger[other])


def _suspect(
    around: Surroundings, found: TwoPeople, row: int, other_row: int, infos: dict[int, TemplateInfo]
) -> Suspect | None:
    """None where templates have been taken out meanwhile."""
    templates, ids, parting = around.hood.templates, around.ids, found.parting
    group = [infos.get(int(ids[each])) for each in parting.smaller]
    active = [info for info in group if info is not None and info.state == "active"]
    other = infos.get(int(ids[other_row]))
    if len(active) < len(group) or other is None:
        return None
    mean = templates[parting.smaller].mean(axis=0) @ templates[parting.larger].mean(axis=0)
    later = max(int(ids[parting.smaller[0]]), int(ids[parting.larger[0]]))  # stays so while both groups grow
    return Suspect(
        "two-people",
        None,
        active[0].identity,
        None,
        None,
        found.confidence,
        float(np.clip(templates[row] @ templates[other_row], -1.0, 1.0)),
        float(np.clip(mean, -1.0, 1.0)),
        other.id,
        other.path,
        key=KeptSuspect(later, int(around.identity_ids[around.hood.people[row]]), None),
        template_ids=tuple(info.id for info in active),
        paths=tuple(info.path for info in active),
    )
