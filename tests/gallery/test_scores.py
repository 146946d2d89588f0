"""What a gallery compares with its threshold: people whom the encoder confuses are told apart from strangers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from altering import alter

from facesearch import Gallery
from facesearch.encoders import find_model
from facesearch.encoders.background import Background
from facesearch.errors import StoreError, UsageError
from facesearch.gallery.answers import Candidate, FaceAnswer
from facesearch.gallery.scoring import Rule, penalties
from facesearch.store.records import Calibration

from .doubles import ProjectionEncoder, as_encoder
from .on_server import Server

Floats = npt.NDArray[np.float32]

D = 192  # of the default encoder
ALIKE = 0.7  # the cosine of two children, well above the threshold of the default encoder
CHILDREN, ADULTS = 40, 260
NAMES = [f"child {number}" for number in range(CHILDREN)] + [f"adult {number}" for number in range(ADULTS)]


def unit(x: npt.NDArray[np.floating]) -> Floats:
    return np.asarray(x / np.linalg.norm(x, axis=-1, keepdims=True), np.float32)


def adults(count: int, seed: int) -> Floats:
    """Templates (count, D) that point anywhere."""
    return unit(np.random.default_rng(seed).normal(size=(count, D)))


def near(x: Floats, seed: int, cosine: float) -> Floats:
    """For each of the templates (n, D) another one at that cosine to it, in a direction of its own."""
    away = np.random.default_rng(seed).normal(size=x.shape)
    away -= np.vecdot(away, x)[:, None] * x
    return unit(cosine * x + (1 - cosine**2) ** 0.5 * unit(away))


def children(count: int, seed: int) -> Floats:
    """Templates (count, D) of different people whom the encoder puts close together."""
    return near(np.repeat(adults(1, 99), count, axis=0), seed, ALIKE**0.5)


def second_photos(x: Floats, seed: int = 50) -> Floats:
    """For each of the templates (n, D) another one of the same person."""
    return near(x, seed, 0.97)


ENROLLED = np.concatenate([children(CHILDREN, 0), adults(ADULTS, 1)])
STRANGERS = children(8, 2)
OF_CHILDREN = second_photos(ENROLLED[:CHILDREN])
PROBES = np.concatenate([STRANGERS, OF_CHILDREN[:8], ENROLLED[-8:]])


def matches(gallery: Gallery, probes: Floats, *, score: str | None = None, fused: bool = False) -> list[str | None]:
    """Who each of the probes is, at the gallery's threshold; None: unknown."""
    found = gallery.search(probes, 5, score=score, fused=fused)
    answers = [FaceAnswer(None, gallery.threshold, tuple(candidates)) for candidates in found]
    return [answer.candidates[0].identity if answer.is_match else None for answer in answers]


def firsts(gallery: Gallery, probes: Floats, *, fused: bool = False) -> list[Candidate]:
    return [candidates[0] for candidates in gallery.search(probes, 1, fused=fused)]


@pytest.fixture(scope="module")
def town_once(tmp_path_factory: pytest.TempPathFactory, server: Server | None) -> Iterator[Gallery]:
    with Gallery.open(tmp_path_factory.mktemp("town")) as gallery:
        gallery.enroll_templates(NAMES, ENROLLED)
        yield gallery


@pytest.fixture
def town(town_once: Gallery) -> Iterator[Gallery]:
    """A gallery of children and adults, one template each; only its score and threshold may be changed."""
    yield town_once
    town_once.set_score("normalised")
    town_once.set_threshold(None)


@pytest.fixture
def only_child(tmp_path: Path) -> Iterator[Gallery]:
    """A gallery of one child, without anybody to compare with."""
    with Gallery.open(tmp_path / "gallery") as gallery:
        gallery.enroll_templates(["child 0"], ENROLLED[:1])
        yield gallery


def calibration(threshold: float) -> Calibration:
    return Calibration(
        threshold, 0.01, 0.01, 0.4, 0.5, 300, 300, None, 0, "strangers", "a" * 64, "mobilefacenet:fp32@onnx", 1, 1, 1
    )


# what a new gallery decides by


@pytest.mark.parametrize(
    ("encoder", "score"),
    [
        (ProjectionEncoder("dlib-resnet"), "normalised"),
        (ProjectionEncoder("facenet-vggface2"), "cosine"),
        (ProjectionEncoder(), "cosine"),
        ("mobilefacenet", "normalised"),
        ("dlib-resnet", "normalised"),
    ],
    ids=["measured", "known, not measured", "unknown", "mobilefacenet", "dlib-resnet"],
)
def test_a_new_gallery_normalises_scores_where_it_is_known_how_alike_the_encoder_finds_people(
    encoder: str | ProjectionEncoder, score: str, tmp_path: Path
) -> None:
    dimension = find_model(encoder).dimension if isinstance(encoder, str) else encoder.dimension
    with Gallery.open(tmp_path, encoder=encoder if isinstance(encoder, str) else as_encoder(encoder)) as gallery:
        gallery.enroll_templates(["Ann"], np.eye(1, dimension, dtype=np.float32))
        assert gallery.score == gallery.info().score == score
    with Gallery.open(tmp_path, encoder=encoder if isinstance(encoder, str) else as_encoder(encoder)) as gallery:
        assert gallery.score == score


@pytest.mark.parametrize("model", ["facenet-vggface2", "projection"])
def test_scores_of_an_encoder_that_was_never_measured_cannot_be_normalised(model: str, tmp_path: Path) -> None:
    with Gallery.open(tmp_path, encoder=ProjectionEncoder(model)) as gallery:
        x = np.eye(2, 128, dtype=np.float32)
        gallery.enroll_templates(["Ann", "Bob"], x)
        gallery.set_threshold(0.6)
        for use in (lambda: gallery.set_score("normalised"), lambda: gallery.search(x, 1, score="normalised")):
            with pytest.raises(UsageError, match=model) as refused:
                use()
            assert "\n" not in str(refused.value)
        assert (gallery.score, gallery.threshold) == ("cosine", 0.6)
        assert all(found[0].score == found[0].similarity for found in gallery.search(x, 2))


# what a score is


def test_a_stranger_of_a_crowd_is_unknown_though_its_similarity_is_above_the_threshold(town: Gallery) -> None:
    assert town.threshold == 0.49
    assert all(first.similarity > 0.6 for first in firsts(town, STRANGERS))
    assert matches(town, STRANGERS) == [None] * len(STRANGERS)
    assert None not in matches(town, STRANGERS, score="cosine")


def test_another_photo_of_somebody_in_a_crowd_still_matches(town: Gallery) -> None:
    assert matches(town, OF_CHILDREN) == NAMES[:CHILDREN]
    assert all(first.score < first.similarity - 0.1 for first in firsts(town, OF_CHILDREN))


def test_of_people_who_resemble_nobody_the_score_is_the_similarity(town: Gallery) -> None:
    known, unknown = second_photos(ENROLLED[CHILDREN:][:30]), adults(30, 7)
    assert matches(town, known) == NAMES[CHILDREN:][:30]
    assert matches(town, unknown) == [None] * 30
    for candidates in town.search(np.concatenate([known, unknown]), 10):
        assert [each.score for each in candidates] == [each.similarity for each in candidates]


def test_a_score_is_never_above_the_similarity_and_candidates_keep_its_order(town: Gallery) -> None:
    by_cosine = town.search(PROBES, 20, score="cosine")
    for candidates, plain in zip(town.search(PROBES, 20), by_cosine, strict=True):
        assert [(each.rank, each.identity) for each in candidates] == [(each.rank, each.identity) for each in plain]
        assert all(each.score <= each.similarity for each in candidates)
        scores = [each.score for each in candidates]
        assert scores == sorted(scores, reverse=True)
        assert all(each.score == each.similarity for each in plain)


@pytest.mark.parametrize("fused", [False, True])
def test_a_score_is_the_same_however_many_candidates_and_probes_are_asked_for(town: Gallery, fused: bool) -> None:
    batch = [found[0] for found in town.search(PROBES, 20, fused=fused)]
    for asked in (
        [town.search(probe[None], 20, fused=fused)[0][0] for probe in PROBES],
        [town.search(probe[None], 1, fused=fused)[0][0] for probe in PROBES],
        firsts(town, PROBES, fused=fused),
    ):
        assert [each.identity for each in asked] == [each.identity for each in batch]
        assert [each.score for each in asked] == pytest.approx([each.score for each in batch], abs=1e-6)


def test_as_many_candidates_are_answered_as_were_asked_for(town: Gallery) -> None:
    for k in (1, 3, 20):
        assert {len(found) for found in town.search(PROBES, k)} == {k}
    assert town.search(PROBES[:0], 3) == []


@pytest.mark.parametrize(("kind", "error"), [("fp16", 0.001), ("sq8", 0.006), ("sq4", 0.05), ("rabitq+sq4", 0.05)])
def test_an_index_of_another_kind_decides_the_same(kind: str, error: float, tmp_path: Path, town: Gallery) -> None:
    wanted = firsts(town, PROBES)
    with Gallery.open(tmp_path) as gallery:
        gallery.enroll_templates(NAMES, ENROLLED)
        gallery.build_index(kind)
        assert gallery.index_info().answering == kind
        assert matches(gallery, PROBES) == matches(town, PROBES)
        for fused in (False, True):
            found = [first.score for first in firsts(gallery, PROBES, fused=fused)]
            assert found == pytest.approx([first.score for first in wanted], abs=error)


def test_fused_templates_of_one_photo_each_decide_as_the_templates_do(town: Gallery) -> None:
    assert matches(town, PROBES, fused=True) == matches(town, PROBES)
    fused = [first.score for first in firsts(town, PROBES, fused=True)]
    assert fused == pytest.approx([first.score for first in firsts(town, PROBES)], abs=1e-6)


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("others", [0, 10])
def test_a_persons_own_templates_do_not_count_as_others(others: int, fused: bool, tmp_path: Path) -> None:
    own = near(np.repeat(adults(1, 3), 21, axis=0), 4, 0.95)
    with Gallery.open(tmp_path) as gallery:
        gallery.enroll_templates(["Ann"] * 20, own[:20])
        gallery.enroll_templates([f"adult {number}" for number in range(others)], adults(others, 5))
        (found,) = gallery.search(own[20:], 5, fused=fused)
        assert found[0].identity == "Ann"
        assert found[0].similarity > 0.85
        assert found[0].score == found[0].similarity


def test_another_persons_many_templates_count_as_one_resemblance(tmp_path: Path) -> None:
    crowd = children(6, 0)
    with Gallery.open(tmp_path / "few") as few, Gallery.open(tmp_path / "many") as many:
        for gallery in (few, many):
            gallery.enroll_templates(["Ann", "Bob"], crowd[:2])
        many.enroll_templates(["Bob"] * 19, near(np.repeat(crowd[1:2], 19, axis=0), 8, 0.999))
        probe = second_photos(crowd[:1])
        of_few, of_many = few.search(probe, 2)[0][0], many.search(probe, 2)[0][0]
        assert of_few.identity == of_many.identity == "Ann"
        assert of_few.score == pytest.approx(of_many.score, abs=0.03)


def test_in_a_gallery_of_one_the_score_is_the_similarity(only_child: Gallery) -> None:
    for found in only_child.search(np.concatenate([STRANGERS, OF_CHILDREN[:1]]), 3):
        assert [each.score for each in found] == [each.similarity for each in found]


def test_whoever_is_forgotten_no_longer_counts(tmp_path: Path) -> None:
    with Gallery.open(tmp_path) as gallery:
        gallery.enroll_templates(NAMES[:20], ENROLLED[:20])
        assert matches(gallery, STRANGERS) == [None] * 8
        gallery.forget_all(NAMES[1:20])
        assert matches(gallery, STRANGERS) == ["child 0"] * 8
        gallery.forget("child 0")
        assert gallery.search(STRANGERS, 3) == [[]] * 8


# the parts of it

LEVELS = Background((1, 100), (0.1, 0.3))


def test_what_is_taken_off_is_how_far_the_mean_of_the_nearest_lies_above_the_level() -> None:
    nearest = np.array([[0.9, 0.7, 0.5, 0.3, 0.1], [0.3, 0.3, 0.3, 0.3, 0.3], [0.2, 0.1, 0.0, 0.0, -0.5]])
    assert penalties(nearest, 100, LEVELS) == pytest.approx([0.2, 0.0, 0.0])
    assert penalties(nearest, 10, LEVELS) == pytest.approx([0.3, 0.1, 0.0])


def test_fewer_than_five_others_are_averaged_as_they_are_and_nobody_takes_nothing_off() -> None:
    nearest = np.array([[0.9, 0.7, np.nan, np.nan, np.nan], [0.9, -np.inf, -np.inf, -np.inf, -np.inf], [np.nan] * 5])
    assert penalties(nearest, 1, LEVELS) == pytest.approx([0.7, 0.8, 0.0])
    assert penalties(np.zeros((2, 0)), 0, LEVELS).tolist() == [0.0, 0.0]
    assert penalties(np.zeros((0, 5)), 0, LEVELS).shape == (0,)


# choosing


def test_another_score_returns_the_threshold_to_the_default_and_the_same_one_does_not(town: Gallery) -> None:
    town.set_threshold(0.6)
    town.set_score("normalised")
    assert town.threshold == 0.6
    town.set_score("cosine")
    assert (town.score, town.threshold, town.info().score) == ("cosine", 0.49, "cosine")
    assert None not in matches(town, STRANGERS)
    town.set_score("normalised")
    assert town.threshold == 0.49
    assert matches(town, STRANGERS) == [None] * 8


def test_a_calibration_for_another_score_is_not_in_force(town: Gallery) -> None:
    town.set_calibration(calibration(0.42))
    assert town.calibration() is not None
    town.set_score("normalised")
    assert town.calibration() is not None
    town.set_score("cosine")
    assert (town.calibration(), town.outgrown(), town.threshold) == (None, None, 0.49)


@pytest.mark.parametrize("wrong", ["", "Cosine", "zscore", 1, None, ["cosine"]])
def test_a_score_is_one_of_two(wrong: object, town: Gallery) -> None:
    with pytest.raises(UsageError, match="a score is cosine or normalised, not ") as refused:
        town.set_score(wrong)  # type: ignore[arg-type]
    assert "\n" not in str(refused.value)
    if wrong is not None:
        with pytest.raises(UsageError, match="a score is cosine or normalised"):
            town.search(PROBES, 1, score=wrong)  # type: ignore[arg-type]
        with pytest.raises(UsageError, match="a score is cosine or normalised"):
            town.verify("a.jpg", "b.jpg", score=wrong)  # type: ignore[arg-type]
        with pytest.raises(UsageError, match="a score is cosine or normalised"):
            town.identify_photos([], score=wrong)  # type: ignore[arg-type]
    assert town.score == "normalised"


def test_before_anybody_is_enrolled_there_is_no_score_to_be_chosen(tmp_path: Path) -> None:
    with Gallery.open(tmp_path) as gallery:
        for use in (lambda: gallery.score, lambda: gallery.set_score("cosine")):
            with pytest.raises(UsageError, match="enrol somebody first"):
                use()


# a cohort


def test_with_a_cohort_an_only_child_is_told_apart_from_others(only_child: Gallery) -> None:
    alone = matches(only_child, STRANGERS)
    assert alone == ["child 0"] * 8
    only_child.set_cohort(children(30, 6), "children of the village")
    assert matches(only_child, STRANGERS) == [None] * 8
    assert matches(only_child, STRANGERS, fused=True) == [None] * 8
    assert matches(only_child, OF_CHILDREN[:1]) == ["child 0"]
    assert only_child.info().cohort == 30
    only_child.remove_cohort()
    assert only_child.cohort() is None
    assert only_child.info().cohort == 0
    assert matches(only_child, STRANGERS) == alone


def test_a_cohort_changes_nothing_for_people_who_do_not_resemble_it_nor_for_the_cosine(only_child: Gallery) -> None:
    probes = np.concatenate([ENROLLED[CHILDREN:][:5], STRANGERS])
    only_child.set_cohort(children(30, 6), "children")
    for found in [*only_child.search(probes[:5], 3), *only_child.search(probes, 3, score="cosine")]:
        assert [each.score for each in found] == [each.similarity for each in found]
    only_child.set_score("cosine")
    assert matches(only_child, STRANGERS) == ["child 0"] * 8


def test_of_people_enrolled_and_cohort_those_count_whom_the_face_resembles_more(town: Gallery, tmp_path: Path) -> None:
    wanted = firsts(town, PROBES)
    with Gallery.open(tmp_path) as gallery:
        gallery.enroll_templates(NAMES, ENROLLED)
        gallery.set_cohort(adults(30, 9), "adults")
        assert [each.score for each in firsts(gallery, PROBES)] == [each.score for each in wanted]
        gallery.set_cohort(children(CHILDREN + ADULTS, 6), "children")
        found = firsts(gallery, PROBES)
        assert all(each.score <= before.score for each, before in zip(found, wanted, strict=True))
        assert [each.similarity for each in found] == [each.similarity for each in wanted]


@pytest.mark.folder
def test_a_cohort_is_kept_to_half_precision_and_survives_reopening_backup_and_restoring(tmp_path: Path) -> None:
    cohort = children(30, 6)
    with Gallery.open(tmp_path / "gallery") as gallery:
        gallery.enroll_templates(["child 0"], ENROLLED[:1])
        gallery.set_cohort(cohort, "Kinder von Zoë")
        wanted = gallery.search(STRANGERS, 1)
        gallery.backup(tmp_path / "backup.zip")
        gallery.compact()
    Gallery.restore(tmp_path / "backup.zip", tmp_path / "restored")
    for folder in ("gallery", "restored"):
        with Gallery.open(tmp_path / folder) as gallery:
            kept = gallery.cohort()
            assert kept is not None
            assert kept.source == "Kinder von Zoë"
            assert kept.templates.dtype == np.float32
            assert kept.templates == pytest.approx(cohort, abs=2**-12)
            assert gallery.search(STRANGERS, 1) == wanted
            assert gallery.check() == []


def test_a_gallery_that_is_open_twice_follows_the_cohort_of_the_other(only_child: Gallery, tmp_path: Path) -> None:
    with Gallery.open(tmp_path / "gallery") as other:
        for cohort, expected in ((children(30, 6), None), (adults(30, 6), "child 0"), (children(5, 7), None)):
            only_child.set_cohort(cohort, "people")
            assert matches(other, STRANGERS) == [expected] * 8
        only_child.remove_cohort()
        assert matches(other, STRANGERS) == ["child 0"] * 8


@pytest.mark.parametrize(
    ("cohort", "complaint"),
    [
        (adults(0, 0), "0 faces are too few for a cohort: at least 5 are needed"),
        (adults(4, 0), "4 faces are too few for a cohort: at least 5 are needed"),
        (unit(adults(6, 0)[:, :128]), r"a cohort is \(n, 192\) templates of mobilefacenet, not \(6, 128\)"),
        (adults(3, 0)[0], "templates are"),
        (adults(3, 0).astype(np.int64), "templates are"),
        (2 * adults(3, 0), "template 1 has length 2"),
        (adults(3, 0) * np.float32(np.nan), "templates have unit length"),
        (np.repeat(adults(1, 0), 1001, axis=0), "1001 faces are too many for a cohort: 1000 are enough"),
    ],
)
def test_what_is_no_cohort_is_refused_in_one_line_and_the_old_one_stays(
    cohort: npt.NDArray[np.float32], complaint: str, only_child: Gallery
) -> None:
    only_child.set_cohort(children(5, 6), "children")
    with pytest.raises(UsageError, match=complaint) as refused:
        only_child.set_cohort(cohort, "nonsense")
    assert "\n" not in str(refused.value)
    kept = only_child.cohort()
    assert kept is not None
    assert (kept.source, len(kept.templates)) == ("children", 5)


def test_before_anybody_is_enrolled_there_can_be_no_cohort(tmp_path: Path) -> None:
    with Gallery.open(tmp_path) as gallery:
        with pytest.raises(UsageError, match="enrol somebody first"):
            gallery.set_cohort(children(5, 6), "children")
        with pytest.raises(UsageError, match="enrol somebody first"):
            gallery.remove_cohort()
        assert gallery.cohort() is None


def test_a_damaged_cohort_is_no_part_of_an_answer(only_child: Gallery) -> None:
    only_child.set_cohort(children(30, 6), "children")
    alter(only_child.parts.store, "UPDATE cohorts SET content = zeroblob(length(content))")
    with pytest.raises(StoreError, match="row 1 of cohorts is damaged"):
        only_child.search(STRANGERS, 1)
    assert only_child.search(STRANGERS, 1, score="cosine")[0][0].similarity > 0.6
    assert "1 row of cohorts damaged" in only_child.check()[0]
    only_child.set_cohort(children(30, 6), "children")
    assert matches(only_child, STRANGERS) == [None] * 8


# prototypes


@pytest.mark.parametrize("model", ["mobilefacenet", "dlib-resnet", "edgeface-xs", "edgeface-xxs"])
def test_the_prototypes_are_alike_as_children_are_and_taken_for_strangers_of_each_other(model: str) -> None:
    found = find_model(model)
    prototypes, background = found.prototypes, found.background
    assert prototypes is not None and background is not None
    assert prototypes.shape == (100, found.dimension)
    assert np.linalg.norm(prototypes, axis=1) == pytest.approx(1, abs=1e-3)
    alike = prototypes @ prototypes.T
    assert np.median(alike) > found.threshold  # by cosine, most of them match
    rule = Rule(background, (prototypes[::2],))
    taken = rule.by_cohorts(prototypes[1::2])
    score = alike[1::2, ::2] - (taken[:, None] + rule.by_cohorts(prototypes[::2])) / 2
    assert (score >= found.threshold).mean() < 0.02


def test_a_gallery_of_one_small_child_takes_no_other_for_it(tmp_path: Path) -> None:
    prototypes = find_model("mobilefacenet").prototypes
    assert prototypes is not None
    with Gallery.open(tmp_path) as gallery:
        child, strangers = near(unit(prototypes[:1]), 1, 0.8), near(unit(prototypes[1:40]), 2, 0.8)
        gallery.enroll_templates(["child"], child)
        assert matches(gallery, strangers, score="cosine").count("child") > 20
        assert matches(gallery, strangers).count("child") == 0
        assert matches(gallery, second_photos(child)) == ["child"]


def test_the_prototypes_take_nothing_off_people_who_point_elsewhere() -> None:
    rule = Rule.usual(find_model("mobilefacenet"))
    assert not rule.by_cohorts(adults(500, 8)).any()


# one photo against another


def pictures(count: int, seed: int, *, common: float) -> npt.NDArray[np.uint8]:
    """Crops (count, 150, 150, 3) of coarse noise; common: the share in which they are all alike."""
    rng = np.random.default_rng(seed)
    shared = np.random.default_rng(123).uniform(0, 255, (1, 10, 10, 3))
    cells = common * shared + (1 - common) * rng.uniform(0, 255, (count, 10, 10, 3))
    return np.asarray(cells.repeat(15, axis=1).repeat(15, axis=2), np.uint8)


@pytest.fixture
def crowded(tmp_path: Path) -> Iterator[Gallery]:
    """A gallery of twenty people whom its encoder finds much alike."""
    encoder = ProjectionEncoder("dlib-resnet")
    with Gallery.open(tmp_path, encoder=as_encoder(encoder)) as gallery:
        gallery.enroll_templates(NAMES[:20], encoder.encode(pictures(20, 0, common=0.9)))
        yield gallery


def test_verifying_takes_off_the_same_whichever_photo_comes_first(crowded: Gallery) -> None:
    a, b = pictures(2, 1, common=0.9)
    found = crowded.verify(a, b, aligned="dlib-chip", threshold=0.95)
    swapped = crowded.verify(b, a, aligned="dlib-chip", threshold=0.95)
    assert found.similarity > found.threshold > found.score
    assert (found.same, swapped.same) == (False, False)
    assert swapped.score == pytest.approx(found.score, abs=1e-6)
    assert swapped.similarity == pytest.approx(found.similarity, abs=1e-6)


def test_verifying_by_the_cosine_and_people_unlike_those_enrolled_takes_nothing_off(crowded: Gallery) -> None:
    a, b = pictures(2, 1, common=0.9)
    plain = crowded.verify(a, b, aligned="dlib-chip", score="cosine", threshold=0.95)
    assert plain.score == plain.similarity
    assert plain.same
    one = pictures(1, 2, common=0.0)[0]
    unlike = crowded.verify(one, one, aligned="dlib-chip")
    assert unlike.score == unlike.similarity == pytest.approx(1, abs=1e-6)
    assert unlike.same


def test_verifying_in_a_gallery_without_people_takes_nothing_off(tmp_path: Path) -> None:
    a, b = pictures(2, 1, common=0.9)
    with Gallery.open(tmp_path, encoder=ProjectionEncoder("dlib-resnet")) as gallery:
        for score in (None, "cosine", "normalised"):
            found = gallery.verify(a, b, aligned="dlib-chip", score=score)
            assert found.score == found.similarity
        gallery.enroll_templates(["Ann"], np.eye(1, 128, dtype=np.float32))
        gallery.forget("Ann")
        assert gallery.verify(a, b, aligned="dlib-chip").score == found.score


def test_a_photo_is_asked_about_by_another_score_at_the_encoders_threshold(crowded: Gallery) -> None:
    stranger = pictures(1, 1, common=0.9)[0]
    crowded.set_threshold(0.8)
    (own,) = crowded.identify_faces(stranger, aligned="dlib-chip")
    assert (own.threshold, own.candidates[0].score < own.candidates[0].similarity) == (0.8, True)
    (other,) = crowded.identify_faces(stranger, aligned="dlib-chip", score="cosine")
    assert (other.threshold, other.candidates[0].score) == (0.9, other.candidates[0].similarity)
    (same,) = crowded.identify_faces(stranger, aligned="dlib-chip", score="normalised")
    assert (same.threshold, same.candidates) == (0.8, own.candidates)
    (given,) = crowded.identify_faces(stranger, aligned="dlib-chip", score="cosine", threshold=0.7)
    assert given.threshold == 0.7


# calibration


def test_a_calibration_does_not_outlive_the_score_or_the_cohort_that_it_was_made_with(only_child: Gallery) -> None:
    calibration = Calibration(0.42, 0.01, 0.01, 0.4, 0.45, 300, 300, None, 0, "x", "00", "e", 1, 1, 0)
    only_child.set_calibration(calibration)
    only_child.set_score("cosine")
    only_child.set_threshold(0.42)
    assert only_child.calibration() is None
    only_child.set_calibration(calibration)
    only_child.set_cohort(children(5, 6), "children")
    assert only_child.calibration() == calibration  # cosines do not depend on it
    only_child.set_score("normalised")
    only_child.set_calibration(calibration)
    only_child.set_cohort(children(5, 7), "other children")
    assert only_child.calibration() is None
    assert only_child.threshold == pytest.approx(0.42)
    only_child.set_calibration(calibration)
    only_child.remove_cohort()
    assert only_child.calibration() is None
    only_child.set_calibration(calibration)
    only_child.remove_cohort()  # there is none any longer
    assert only_child.calibration() == calibration
    for wrong in (np.nan, 7.0, np.nextafter(1.0, 2.0)):
        with pytest.raises(UsageError, match="a threshold is a similarity between -1 and 1"):
            only_child.set_calibration(replace(calibration, threshold=float(wrong)))


@pytest.mark.parametrize("source", [None, 3, Path("x"), ["x"]])
def test_where_a_cohort_comes_from_is_said_in_words(source: object, only_child: Gallery) -> None:
    with pytest.raises(UsageError, match="where a cohort comes from is said in words"):
        only_child.set_cohort(children(5, 6), source)  # type: ignore[arg-type]
    assert only_child.cohort() is None


def test_scores_of_an_encoder_that_was_handed_in_are_refused_with_the_reason(tmp_path: Path) -> None:
    with Gallery.open(tmp_path, encoder=ProjectionEncoder("own")) as gallery:
        gallery.enroll_templates(["Ann"], np.eye(1, 128, dtype=np.float32))
        assert gallery.score == "cosine"
        with pytest.raises(UsageError, match="own finds people was never measured"):
            gallery.set_score("normalised")
        with pytest.raises(UsageError, match="a score is cosine or normalised"):
            gallery.set_score(np.array(["cosine", "b"]))  # type: ignore[arg-type]


def test_a_cohort_is_refused_where_it_could_have_no_effect(tmp_path: Path) -> None:
    with Gallery.open(tmp_path, encoder=ProjectionEncoder("own")) as gallery:
        gallery.enroll_templates(["Ann"], np.eye(1, 128, dtype=np.float32))
        with pytest.raises(UsageError, match="own finds people was never measured"):
            gallery.set_cohort(np.eye(5, 128, dtype=np.float32), "others")
        assert gallery.cohort() is None


def test_two_photos_are_decided_on_at_one_moment(tmp_path: Path, people_photos: Path) -> None:
    photos = sorted(people_photos.rglob("*.jpg"))[:2]
    with Gallery.open(tmp_path) as gallery:
        gallery.enroll("Ann", [photos[0]])
        seen = []

        def changing(templates: npt.NDArray[np.float32]) -> list[npt.NDArray[np.float32]]:
            gallery.set_score("cosine")
            gallery.set_threshold(0.111)
            return seen.append(templates) or [templates]  # type: ignore[func-returns-value]

        encode = gallery.parts.pipeline().encoder.encode
        gallery.set_score("normalised")
        gallery.set_threshold(0.777)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(gallery.parts.pipeline().encoder), "encode", lambda _, crops: changing(encode(crops))[0])
            answer = gallery.verify(*photos)
        assert seen
        assert answer.threshold == pytest.approx(0.111)
        assert answer.score == answer.similarity
