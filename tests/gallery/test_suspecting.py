"""What looks wrong in a gallery of ready templates, and what is done about it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from altering import alter

from facesearch import Gallery, Photo
from facesearch.errors import StoreError, UnknownTemplateError, UsageError
from facesearch.gallery.suspects import suspects
from facesearch.store.sql.checksums import refresh
from facesearch.store.sql.models import TemplateRow

from .doubles import DIMENSION, ProjectionEncoder

PEOPLE, PHOTOS = 12, 4


class CloseEncoder(ProjectionEncoder):
    threshold = 0.5


def photos_of(person: int, count: int = PHOTOS, spread: float = 0.55) -> np.ndarray:
    """Templates (count, d) of one person; two of them are about 0.77 alike."""
    centre = np.random.default_rng(1000 + person).normal(size=DIMENSION)
    centre /= np.linalg.norm(centre)
    noise = np.random.default_rng(2000 + person).normal(size=(count, DIMENSION))
    noise *= spread / np.linalg.norm(noise, axis=1, keepdims=True)
    found = centre + noise
    unit: np.ndarray = (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)
    return unit


def name(person: int) -> str:
    return f"P{person:02}"


NAMES = [name(person) for person in range(PEOPLE) for _ in range(PHOTOS)]
TEMPLATES = np.concatenate([photos_of(person) for person in range(PEOPLE)])
SOURCES = [f"{who}/{row % PHOTOS}.jpg" for row, who in enumerate(NAMES)]


def opened(folder: Path, labels: dict[int, str] | None = None, templates: np.ndarray = TEMPLATES) -> Gallery:
    """A gallery of them where some rows have other labels."""
    gallery = Gallery.open(folder / "g", encoder=CloseEncoder())
    names = [(labels or {}).get(row, who) for row, who in enumerate(NAMES)]
    gallery.enroll_templates(names, templates[: len(names)], sources=SOURCES)
    return gallery


@pytest.fixture
def wrong(tmp_path: Path) -> Iterator[Gallery]:
    """The second photo of P01 (row 5, template 6) is P00's."""
    with opened(tmp_path, {5: name(0)}) as gallery:
        yield gallery


def told(gallery: Gallery, least: float | None = None) -> list[tuple[str, int | None, str, str | None]]:
    return [(each.kind, each.template_id, each.identity, each.other) for each in gallery.suspects(least=least)]


WRONG = ("wrong-person", 6, name(0), name(1))


def test_nothing_is_told_of_a_gallery_that_is_right(tmp_path: Path) -> None:
    with opened(tmp_path) as gallery:
        assert gallery.suspects() == []


def test_a_template_of_somebody_else_is_told_with_what_it_was_compared_with(wrong: Gallery) -> None:
    (suspect,) = wrong.suspects()
    assert told(wrong) == [WRONG]
    assert suspect.confidence > 0.9
    assert suspect.path == SOURCES[5]
    assert suspect.other_path in SOURCES[4:8]
    assert suspect.own is not None
    assert suspect.similarity is not None
    assert suspect.own < 0.4 < suspect.similarity
    assert {"kind", "template_id", "identity", "other", "path", "confidence"} <= suspect.document().keys()


def test_a_template_that_is_nobodys_is_told_without_another_person(tmp_path: Path) -> None:
    templates = TEMPLATES.copy()
    templates[5] = photos_of(99, 1)[0]
    with opened(tmp_path, templates=templates) as gallery:
        assert told(gallery) == [("wrong-person", 6, name(1), None)]


def test_two_photos_of_a_person_that_are_unlike_are_told_once(tmp_path: Path) -> None:
    templates = TEMPLATES.copy()
    templates[7] = photos_of(99, 1)[0]
    with opened(tmp_path, {4: "Gone", 5: "Gone"}, templates) as gallery:
        gallery.forget("Gone")
        assert len([suspect for suspect in gallery.suspects() if suspect.identity == name(1)]) == 1


def test_a_person_with_two_names_is_told_once_and_none_of_the_photos(tmp_path: Path) -> None:
    with opened(tmp_path, {4: "Q", 5: "Q"}) as gallery:
        ((kind, number, identity, other),) = told(gallery)
    assert (kind, number, {identity, other}) == ("same-person", None, {"Q", name(1)})


def test_a_copy_under_another_name_is_told_of_whom_it_fits_less(tmp_path: Path) -> None:
    templates = TEMPLATES.copy()
    templates[5] = templates[0] + 0.001
    templates[5] /= np.linalg.norm(templates[5])
    with opened(tmp_path, templates=templates) as gallery:
        (suspect,) = gallery.suspects()
    assert (suspect.kind, suspect.template_id, suspect.identity, suspect.other) == ("same-photo", 6, name(1), name(0))
    assert suspect.other_template_id == 1


def test_a_poor_template_that_is_like_somebody_else_is_told_as_poor(tmp_path: Path) -> None:
    templates = TEMPLATES.copy()
    mixed = photos_of(0, 6)[5] + photos_of(1, 6)[5]
    templates[5] = mixed / np.linalg.norm(mixed)
    with opened(tmp_path, templates=templates) as gallery:
        with gallery.parts.store.transactions.writing() as connection:
            connection.exec_driver_sql("UPDATE templates SET quality = 0.1 WHERE id = 6")
            refresh(connection, TemplateRow, TemplateRow.id == 6)
        (suspect,) = gallery.suspects()
    assert (suspect.kind, suspect.template_id, suspect.other) == ("poor", 6, name(0))
    assert suspect.confidence == pytest.approx(0.9)


def test_two_wrong_photos_of_one_person_do_not_hide_each_other(tmp_path: Path) -> None:
    with opened(tmp_path, {5: name(0), 9: name(0)}) as gallery:
        assert {(each[1], each[3]) for each in told(gallery)} == {(6, name(1)), (10, name(2))}


def test_the_most_certain_come_first_and_less_certain_ones_can_be_left_out(tmp_path: Path) -> None:
    templates = TEMPLATES.copy()
    mixed = photos_of(2, 6)[5] + photos_of(3, 6)[5]
    templates[9] = mixed / np.linalg.norm(mixed)
    with opened(tmp_path, {5: name(0)}, templates) as gallery:
        found = gallery.suspects(least=0.0)
        assert [each.confidence for each in found] == sorted((each.confidence for each in found), reverse=True)
        assert found[0].template_id == 6
        assert told(gallery, least=0.9) == [WRONG]


@pytest.mark.parametrize("least", [-0.1, 1.5, float("nan"), True, "much"])
def test_a_confidence_is_between_0_and_1(least: float, wrong: Gallery) -> None:
    with pytest.raises(UsageError, match="between 0 and 1"):
        wrong.suspects(least=least)


def test_few_templates_are_judged_as_among_all(tmp_path: Path) -> None:
    count = 60
    names = [name(person) for person in range(count) for _ in range(PHOTOS)]
    vectors = np.concatenate([photos_of(person) for person in range(count)])
    names[5], names[100] = name(0), "Q"
    with Gallery.open(tmp_path / "g", encoder=CloseEncoder()) as gallery:
        gallery.enroll_templates(names, vectors)
        every = gallery.suspects()
        wrong, one = sorted(every, key=lambda each: each.kind, reverse=True)
        assert (wrong.kind, one.kind) == ("wrong-person", "same-person")
        assert suspects(gallery.parts, [6]) == [wrong]
        (pair,) = gallery.suspects(["Q"])
        assert (pair.kind, {pair.identity, pair.other}) == ("same-person", {"Q", name(25)})
        assert pair.confidence == pytest.approx(one.confidence, abs=0.1)
        assert gallery.suspects([200]) == []


def test_who_is_neither_a_person_nor_a_photo_is_an_error(wrong: Gallery) -> None:
    for asked in (999, "nobody", Path("no.jpg")):
        with pytest.raises(UnknownTemplateError):
            wrong.suspects([asked])


def test_what_is_kept_is_not_told_again_until_it_is_reconsidered(wrong: Gallery) -> None:
    assert wrong.keep_suspects(wrong.suspects()) == 1
    assert wrong.suspects() == []
    assert wrong.suspects([6]) == []
    assert wrong.check() == []
    assert wrong.reconsider_suspects() == 1
    assert told(wrong) == [WRONG]


def test_what_is_kept_holds_for_that_person_only(wrong: Gallery) -> None:
    wrong.keep_suspects(wrong.suspects())
    wrong.move_templates([6], name(3))
    assert told(wrong) == []  # still not P01's, as somebody said
    wrong.move_templates([1], name(4))
    assert told(wrong) == [("wrong-person", 1, name(4), name(0))]


def test_a_pair_that_is_kept_follows_a_merge_and_goes_with_a_person(tmp_path: Path) -> None:
    with opened(tmp_path, {4: "Q", 5: "Q"}) as gallery:
        kept = gallery.suspects()
        gallery.keep_suspects(kept)
        assert gallery.keep_suspects(kept) == 0
        gallery.merge("Q", "P11")
        assert not any(each[0] == "same-person" for each in told(gallery))
        assert len(gallery.parts.store.suspicions.all()) == 1
        gallery.merge("P11", name(1))
        assert gallery.parts.store.suspicions.all() == set()
        assert gallery.check() == []


def test_a_suspect_of_a_template_that_is_gone_is_not_remembered(wrong: Gallery) -> None:
    found = wrong.suspects()
    wrong.remove_templates([6])
    assert wrong.keep_suspects(found) == 0
    assert wrong.suspects() == []


def test_what_is_set_aside_stays_through_compact_and_what_is_removed_does_not(wrong: Gallery) -> None:
    wrong.set_aside_templates([6])
    wrong.remove_templates([1])
    assert (wrong.info().taken_out, wrong.info().set_aside) == (1, 1)
    assert wrong.info().templates == len(NAMES) - 2
    done = wrong.compact()
    assert (done.discarded, done.kept) == (1, 1)
    assert [(info.id, info.state, info.kept) for info in wrong.templates(name(0))][-1] == (6, "set-aside", True)
    assert wrong.search(TEMPLATES[5:6], 1)[0][0].template_id != 6
    assert wrong.restore_templates([6]) == {6: len(NAMES) + 1}
    assert wrong.search(TEMPLATES[5:6], 1)[0][0].template_id == len(NAMES) + 1
    assert wrong.check() == []


def test_removing_what_is_set_aside_and_setting_aside_what_is_removed_change_whether_it_stays(wrong: Gallery) -> None:
    wrong.remove_templates([6])
    wrong.set_aside_templates([6])
    assert wrong.compact().kept == 1
    wrong.remove_templates([6])
    assert wrong.compact().discarded == 1
    with pytest.raises(UnknownTemplateError):
        wrong.restore_templates([6])


def test_what_is_set_aside_is_forgotten_with_its_person(wrong: Gallery) -> None:
    wrong.set_aside_templates([6])
    wrong.keep_suspects(wrong.suspects())
    wrong.forget(name(0))
    assert wrong.info().set_aside == 0
    assert wrong.check() == []


@pytest.mark.folder
def test_what_is_set_aside_and_kept_comes_back_with_a_backup(wrong: Gallery, tmp_path: Path) -> None:
    found = wrong.suspects()
    wrong.keep_suspects(found)
    wrong.set_aside_templates([20])
    wrong.backup(tmp_path / "b.zip")
    wrong.compact()
    Gallery.restore(tmp_path / "b.zip", tmp_path / "back")
    with Gallery.open(tmp_path / "back", encoder=CloseEncoder()) as back:
        assert back.suspects() == []
        assert [(info.id, info.kept) for info in back.templates() if info.state == "set-aside"] == [(20, True)]
        assert back.compact().kept == 1


def test_an_index_that_is_built_anew_holds_nothing_set_aside(wrong: Gallery) -> None:
    wrong.set_aside_templates([6])
    wrong.build_index("sq8")
    assert wrong.check() == []
    assert 6 not in {found.template_id for found in wrong.search(TEMPLATES[5:6], PEOPLE)[0]}


def test_another_process_no_longer_answers_with_what_was_set_aside(wrong: Gallery, tmp_path: Path) -> None:
    with Gallery.open(tmp_path / "g", encoder=CloseEncoder()) as other:
        assert other.search(TEMPLATES[5:6], 1)[0][0].template_id == 6
        wrong.set_aside_templates([6])
        assert other.search(TEMPLATES[5:6], 1)[0][0].template_id != 6


def test_the_same_template_is_not_enrolled_again_while_it_is_set_aside(wrong: Gallery) -> None:
    wrong.set_aside_templates([6])
    report = wrong.enroll_templates([name(0)], TEMPLATES[5:6], sources=["x"])
    assert (report.templates, wrong.info().set_aside) in {(0, 1), (1, 1)}


def test_a_person_with_a_thousand_copies_and_people_with_one_photo_are_judged(tmp_path: Path) -> None:
    with Gallery.open(tmp_path / "g", encoder=CloseEncoder()) as gallery:
        gallery.enroll_templates(["Many"] * 600, photos_of(0, 600))
        gallery.enroll_templates(["One"], photos_of(1, 1))
        assert gallery.suspects() == []
        gallery.enroll_templates(["Many"], photos_of(1, 2)[1:])
        assert [(each.template_id, each.other) for each in gallery.suspects([602])] == [(602, "One")]


def test_a_gallery_of_one_template_and_one_of_one_person_suspect_nothing(tmp_path: Path) -> None:
    with Gallery.open(tmp_path / "g", encoder=CloseEncoder()) as gallery:
        gallery.enroll_templates(["One"], photos_of(1, 1))
        assert gallery.suspects() == []
        gallery.enroll_templates(["One"] * 3, photos_of(1, 4)[1:])
        assert gallery.suspects() == []


def test_one_template_or_person_may_be_named_alone(known: list[Photo], tmp_path: Path) -> None:
    with Gallery.open(tmp_path / "g") as gallery:
        gallery.enroll_photos(known[:6])
        one = gallery.templates()[0]
        assert gallery.suspects(of=one.id) == gallery.suspects(of=one.identity) == []  # type: ignore[arg-type]
        assert gallery.template_infos(one.path) == [one]
        assert gallery.set_aside_templates(one.id) == [one]  # type: ignore[arg-type]
        with pytest.raises(UsageError, match=r"name numbers, names or paths, not 1\.5"):
            gallery.suspects(of=1.5)  # type: ignore[arg-type]


def damage(gallery: Gallery, table: str) -> None:
    alter(gallery.parts.store, f"UPDATE {table} SET checksum = checksum + 1")


def test_what_was_kept_and_is_damaged_is_told_again_with_a_warning(
    wrong: Gallery, caplog: pytest.LogCaptureFixture
) -> None:
    found = wrong.suspects()
    wrong.keep_suspects(found)
    damage(wrong, "kept_suspects")
    assert wrong.suspects() == found
    (said,) = caplog.messages
    assert "of kept_suspects is damaged" in said
    assert "facesearch gallery suspects --reconsider removes it" in said
    assert wrong.thin(2, dry_run=True).people
    held = wrong.templates()
    for change in (lambda: wrong.suspects(strict=True), lambda: wrong.thin(2)):
        with pytest.raises(StoreError, match="row 1 of kept_suspects is damaged"):
            change()  # what somebody found to be right would be taken out
    assert wrong.templates() == held
    caplog.clear()
    assert wrong.reconsider_suspects() == len(found)
    assert caplog.messages == [
        f"{len(found)} row{'s' * (len(found) > 1)} of what was kept had been damaged: it is told again, too"
    ]
    assert wrong.check() == []


@pytest.mark.parametrize("number", [0, -1, 2**63 - 1, 2**63, -(2**63) - 1, 10**30])
def test_numbers_that_no_template_has_are_refused(number: int, wrong: Gallery) -> None:
    for asked in (
        wrong.suspects,
        wrong.template_infos,
        wrong.remove_templates,
        wrong.set_aside_templates,
        wrong.restore_templates,
    ):
        with pytest.raises(UnknownTemplateError, match=f"no template {number} in the gallery"):
            asked([1, number])
    with pytest.raises(UnknownTemplateError):
        wrong.move_templates([number], "P03")
    with pytest.raises(UsageError, match=f"has no negative {number}"):
        wrong.remove_negatives("P00", [number])
    assert wrong.counts().templates == PEOPLE * PHOTOS


@pytest.mark.parametrize("nothing", ["", " ", "\t"])
def test_an_empty_word_names_no_template(nothing: str, wrong: Gallery) -> None:
    for asked in (wrong.suspects, wrong.template_infos, wrong.remove_templates):
        with pytest.raises(UsageError, match="not by nothing"):
            asked([nothing])


def test_numbers_of_numpy_are_numbers(wrong: Gallery) -> None:
    numbers: Any = np.array([3, 4, 5, 6])
    assert [info.id for info in wrong.template_infos(numbers[:3])] == [3, 4, 5]
    assert [each.template_id for each in wrong.suspects(numbers[3:])] == [6]


@pytest.mark.parametrize("nonsense", ["P00", ["P00"], [1], None])
def test_only_suspects_are_kept(nonsense: Any, wrong: Gallery) -> None:
    with pytest.raises(UsageError, match="a list of suspects"):
        wrong.keep_suspects(nonsense)
