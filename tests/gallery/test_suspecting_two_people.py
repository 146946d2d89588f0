"""One name for two people: nothing of it is seen in a single photo, as each has others of its kind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facesearch import Gallery
from facesearch.gallery.likeness import Scale
from facesearch.gallery.suspect import Suspect
from facesearch.gallery.suspects import suspects
from facesearch.gallery.two_people import partings_of

from .test_suspecting import NAMES, SOURCES, TEMPLATES, CloseEncoder, name, opened, photos_of


def of_two(gallery: Gallery) -> list[Suspect]:
    return [suspect for suspect in gallery.suspects() if suspect.kind == "two-people"]


def test_people_merged_by_mistake_are_told_until_the_photos_are_given_back(tmp_path: Path) -> None:
    with opened(tmp_path) as gallery:
        gallery.merge(name(1), into=name(0))
        (suspect,) = gallery.suspects()
        assert (suspect.kind, suspect.identity, suspect.template_id) == ("two-people", name(0), None)
        assert suspect.template_ids == (5, 6, 7, 8)
        assert suspect.paths == tuple(SOURCES[4:8])
        assert suspect.other_path in SOURCES[:4]
        assert suspect.confidence > 0.9
        assert suspect.own is not None and suspect.similarity is not None
        assert suspect.own < suspect.similarity < 0.5
        assert str(suspect).startswith(f"{name(0)} seems to be two people: P01/0.jpg and 3 more (templates 5 6 7 8)")
        assert suspect.document()["template_ids"] == [5, 6, 7, 8]
        gallery.move_templates(suspect.template_ids, name(1))
        assert gallery.suspects() == []


def test_three_photos_of_a_stranger_among_four_are_told_together(tmp_path: Path) -> None:
    templates = np.concatenate([TEMPLATES, photos_of(99, 3)])
    with Gallery.open(tmp_path / "g", encoder=CloseEncoder()) as gallery:
        gallery.enroll_templates([*NAMES, *[name(3)] * 3], templates)
        (suspect,) = gallery.suspects()
        last = len(templates)
        assert (suspect.kind, suspect.identity) == ("two-people", name(3))
        assert suspect.template_ids == (last - 2, last - 1, last)
        assert suspects(gallery.parts, [last]) == [suspect]  # as an enrolment asks
        assert suspects(gallery.parts, [1]) == []


def test_photos_of_two_that_are_told_by_themselves_are_not_told_again(tmp_path: Path) -> None:
    with opened(tmp_path, {5: name(0)}) as gallery:
        assert of_two(gallery) == []


def test_one_name_that_is_kept_is_told_again_only_where_others_are_merged_into_it(tmp_path: Path) -> None:
    with opened(tmp_path, {row: name(0) for row in range(4, 8)}) as gallery:
        assert gallery.keep_suspects(gallery.suspects()) == 1
        assert gallery.suspects() == []
        gallery.enroll_templates([name(0)] * 2, photos_of(1, 6)[4:])  # more of whom was kept, who are the more now
        assert of_two(gallery) == []
        gallery.merge(name(2), into=name(0))
        (suspect,) = of_two(gallery)
        assert set(suspect.template_ids) == {9, 10, 11, 12}
        assert gallery.reconsider_suspects() == 1
        assert gallery.check() == []


@pytest.mark.parametrize("count", [4, 20, 200])
def test_the_groups_of_a_person_are_found_whatever_their_number(count: int) -> None:
    templates = np.concatenate([photos_of(0, count), photos_of(1, count // 2)])
    order = np.random.default_rng(0).permutation(len(templates))
    first = next(partings_of(templates[order], np.arange(len(order)), Scale(0.0, 0.77)))
    assert first.smaller.tolist() == np.flatnonzero(order >= count).tolist()
    assert first.larger.tolist() == np.flatnonzero(order < count).tolist()


def test_groups_of_one_template_are_no_parting() -> None:
    templates = np.concatenate([photos_of(0, 3), photos_of(1, 1)])
    assert list(partings_of(templates, np.arange(4), Scale(0.0, 0.77))) == []
