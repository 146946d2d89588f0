"""False matches by groups, and normalised scores as evaluations have them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from facesearch import Gallery
from facesearch.encoders import find_model
from facesearch.errors import UsageError
from facesearch.evaluation.false_matches import false_matches
from facesearch.evaluation.groups import Group, from_file_names, from_list
from facesearch.evaluation.identification import Deciding
from facesearch.evaluation.searching import GalleryTemplates, Probes, fill, search
from facesearch.evaluation.statistics import pairs_interval
from facesearch.gallery.answers import Candidate
from facesearch.gallery.scoring import Rule
from indexes import create_index

Floats = npt.NDArray[np.float32]
D = 192
MODEL = find_model("mobilefacenet")


def people(count: int, seed: int, common: float = 0.0) -> Floats:
    """Templates (count, D); common: how much of a direction that all share."""
    generator = np.random.default_rng(seed)
    shared = np.random.default_rng(99).normal(size=D)
    found = (1 - common) * generator.normal(size=(count, D)) + common * shared
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float32)


CROWD = np.concatenate([people(12, 0, 0.6), people(60, 1)])


def test_rates_are_those_of_searches_one_by_one() -> None:
    groups = (Group("age", "0-4", np.arange(72) < 12), Group("age", "18-39", np.arange(72) >= 12))
    rule = Rule.usual(MODEL)
    every, young, grown = false_matches(CROWD, CROWD, np.arange(72), groups, 0.49, rule)
    scores: dict[tuple[int, int], float] = {}
    for probe in range(72):
        similarity = CROWD @ CROWD[probe]
        others = [other for other in np.argsort(-similarity).tolist() if other != probe]
        ranked = [Candidate(n, f"{n}", float(similarity[n]), n, float(similarity[n])) for n in others]
        [scored] = rule.scored([ranked], len(others) - 1, CROWD[probe][None])
        scores |= {(probe, candidate.template_id): candidate.score for candidate in scored}
    assert (every.photos, every.pairs, young.pairs, grown.pairs) == (72, 72 * 71 / 2, 66, 60 * 59 / 2)
    assert every.fmr_normalised == pytest.approx(np.mean([score >= 0.49 for score in scores.values()]))
    of_young = [score >= 0.49 for (a, b), score in scores.items() if a < 12 and b < 12]
    assert young.fmr > 0.9
    assert young.fmr_normalised == pytest.approx(np.mean(of_young))
    assert young.fmr_normalised is not None
    assert young.fmr_normalised < 0.1
    assert grown.fmr == grown.fmr_normalised == 0


def test_intervals_of_pairs_know_that_pairs_share_photos() -> None:
    generator = np.random.default_rng(3)
    truth = 0.09
    inside: list[bool] = []
    widths: list[float] = []
    for _ in range(300):
        alike = generator.random(60) < 0.3  # photos of a kind that matches itself
        match = np.triu(alike[:, None] & alike, 1)
        match |= match.T
        low, high = pairs_interval(match.sum(axis=1).astype(float), np.full(60, 59.0))
        widths.append(high - low)
        inside.append(low <= truth <= high)
    assert 0.88 <= np.mean(inside) <= 0.99
    independent = 2 * 1.96 * np.sqrt(0.09 * 0.91 / (60 * 59 / 2))
    assert np.mean(widths) > 3 * independent
    assert pairs_interval(np.zeros(30), np.full(30, 29.0)) == pytest.approx((0.0, 0.1))
    assert pairs_interval(np.zeros(1), np.zeros(1)) == (0.0, 1.0)
    low, high = pairs_interval(np.full(10, 9.0), np.full(10, 9.0))
    assert (low, high) == (1.0, 1.0)


def test_a_group_without_a_pair_has_no_rate() -> None:
    groups = (Group("kind", "alone", np.arange(72) == 3), Group("kind", "pair", np.arange(72) < 2))
    rates = false_matches(CROWD, CROWD, np.arange(72), groups, 0.49, Rule(None))
    assert [(rate.name, rate.pairs) for rate in rates] == [("all", 2556), ("kind pair", 1)]


def test_photos_of_one_person_and_the_same_photo_twice_are_not_compared() -> None:
    faces = np.concatenate([CROWD[:3], CROWD[:3]])
    (every,) = false_matches(faces, faces, np.array([0, 0, 1, 2, 3, 4]), (), 0.49, Rule(None))
    assert every.pairs == 15 - 1 - 3  # all pairs, less one person's, less three doubles
    assert every.fmr_normalised is None


def test_evaluations_decide_as_a_gallery_does(tmp_path: Path) -> None:
    enrolled, probes = CROWD[6:], np.concatenate([CROWD[:6], people(10, 5), CROWD[40:45]])
    gallery = GalleryTemplates(enrolled, np.arange(len(enrolled)))
    nobody = np.full(len(probes), -1)
    asked = Probes(probes, nobody, nobody, np.ones(len(probes), np.bool_))
    for kind, near in (("flat", 1e-5), ("sq8", 5e-3)):
        found = search(fill(create_index(kind, D), enrolled), gallery, asked)
        by_evaluation = Deciding(0.49, Rule.usual(MODEL)).scores()["normalised"](found)
        with Gallery.open(tmp_path / kind, index=kind) as real:
            real.enroll_templates([f"{n}" for n in range(len(enrolled))], enrolled)
            by_gallery = [candidates[0].score for candidates in real.search(probes, 1)]
        assert by_evaluation == pytest.approx(by_gallery, abs=near)
        assert (by_evaluation < found.score).any()


def test_groups_come_from_the_names_of_files_as_utkface_has_them() -> None:
    names = ["3_0_2_20161219140627985.jpg", "x/61_1_0_20170109150557335.jpg", "39_1_20170116174525125.jpg", "me.jpg"]
    groups = {(group.label, group.value): group.members.tolist() for group in from_file_names(names)}
    assert groups == {
        ("age", "0-4"): [True, False, False, False],
        ("age", "18-39"): [False, False, True, False],
        ("age", "60+"): [False, True, False, False],
        ("sex", "female"): [False, True, True, False],
        ("sex", "male"): [True, False, False, False],
        ("origin", "Asian"): [True, False, False, False],
        ("origin", "White"): [False, True, False, False],
    }
    assert from_file_names(["a.jpg", "2024_holiday.jpg"]) == ()


def test_groups_come_from_a_list(tmp_path: Path) -> None:
    listing = tmp_path / "people.csv"
    rows = ["path, age ,team", " a.jpg , 4,red ", "b.jpg,19,blue", "c.jpg,,red", "other.jpg,7,red", "b.jpg,19,blue"]
    listing.write_text("\n".join(rows))
    groups = {
        (each.label, each.value): each.members.tolist() for each in from_list(listing, ["a.jpg", "b.jpg", "c.jpg"])
    }
    assert groups == {
        ("age", "0-4"): [True, False, False],
        ("age", "18-39"): [False, True, False],
        ("team", "blue"): [False, True, False],
        ("team", "red"): [True, False, True],
    }


def test_ages_that_are_no_numbers_of_years_stay_as_they_are(tmp_path: Path) -> None:
    listing = tmp_path / "people.csv"
    rows = ["path,age", "a.jpg,²", "b.jpg,-3", "c.jpg,٣", "d.jpg,40,beyond", "e.jpg", ",,,", "f.jpg,12345"]
    listing.write_text("\n".join(rows), "utf-8")
    groups = from_list(listing, [f"{name}.jpg" for name in "abcdef"])
    assert {group.value for group in groups} == {"²", "-3", "٣", "40-59", "12345"}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("name,age\na.jpg,3\n", "needs a header with a column 'path'"),
        ("", "needs a header with a column 'path'"),
        ("path,team\n1.jpg,r\x1b[31med\n", "a control character is in them"),
        ("path,te\tam\n1.jpg,red\n", "a control character is in them"),
        ("path,team\n1.jpg,red\n1.jpg,blue\n", "names 1.jpg twice, with different labels"),
        ("path,team,team\n1.jpg,red,blue\n", "has two columns of the same name"),
        ("path,age\nelsewhere.jpg,3\n", "names no photo of the data set with a label"),
        ("path,number\n" + "".join(f"{n}.jpg,value {n}\n" for n in range(25)), "label 'number' has 25 values"),
    ],
)
def test_a_list_that_says_nothing_is_refused_in_one_line(text: str, complaint: str, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(text)
    with pytest.raises(UsageError, match=complaint) as refused:
        from_list(tmp_path / "list.csv", [f"{n}.jpg" for n in range(25)])
    assert "\n" not in str(refused.value)
    with pytest.raises(UsageError, match="cannot be read"):
        from_list(tmp_path / "missing.csv", ["a.jpg"])
    (tmp_path / "binary.csv").write_bytes(b"path,age\n\xff\xfe,3\n")
    with pytest.raises(UsageError, match="is not a CSV file in UTF-8"):
        from_list(tmp_path / "binary.csv", ["a.jpg"])
