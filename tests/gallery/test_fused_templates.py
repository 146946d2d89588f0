from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facesearch import Gallery
from facesearch.gallery.fused_index import fused_templates
from facesearch.store import open_store

from .doubles import add_templates, store_templates

D = 128  # of the default encoder


def fused_template(x: np.ndarray, qualities: np.ndarray) -> np.ndarray:
    """Of one person with templates (n, D)."""
    return np.asarray(fused_templates(x, np.array([len(x)]), qualities)[0])


def unit(x: np.ndarray) -> np.ndarray:
    return np.asarray(x / np.linalg.norm(x, axis=-1, keepdims=True), np.float32)


def photos(people: int, each: int, seed: int = 0) -> np.ndarray:
    """Templates (people, each, D) that scatter about a centre per person."""
    rng = np.random.default_rng(seed)
    centres = unit(rng.standard_normal((people, 1, D)))
    return unit(centres + rng.standard_normal((people, each, D)) * (0.5 / D**0.5))


NAMES = [f"person {number}" for number in range(12)]


@pytest.fixture
def gallery(tmp_path: Path) -> Path:
    x = photos(12, 4)
    store_templates(tmp_path, [name for name in NAMES for _ in range(4)], x.reshape(-1, D))
    return tmp_path


def brute_force(groups: dict[str, np.ndarray], probe: np.ndarray) -> list[str]:
    """Names by the cosine of their fused template, all qualities alike."""
    scores = {name: float(fused_template(x, np.ones(len(x))) @ probe) for name, x in groups.items()}
    return sorted(scores, key=lambda name: -scores[name])


def ranked(gallery: Gallery, probe: np.ndarray, k: int) -> list[str]:
    return [candidate.identity for candidate in gallery.search(probe[None], k, fused=True)[0]]


def test_a_fused_gallery_ranks_persons_as_brute_force_does(gallery: Path) -> None:
    x = photos(12, 4)
    groups = dict(zip(NAMES, x, strict=True))
    with Gallery.open(gallery) as opened:
        for probe in unit(np.random.default_rng(3).standard_normal((20, D))):
            for k in (1, 5, 12, 30):
                assert ranked(opened, probe, k) == brute_force(groups, probe)[:k]
        best = opened.search(x[5, :1], 3, fused=True)[0]
        assert [candidate.rank for candidate in best] == [1, 2, 3]
        assert best[0].template_id == 5 * 4 + 1


def test_fused_persons_follow_enrolment_forgetting_merging_and_renaming(gallery: Path) -> None:
    x, new = photos(12, 4), photos(1, 3, seed=9)[0]
    groups = dict(zip(NAMES, x, strict=True))
    probe = unit(np.random.default_rng(4).standard_normal(D))
    with Gallery.open(gallery) as opened:
        assert ranked(opened, probe, 12) == brute_force(groups, probe)
        with open_store(gallery) as store:
            add_templates(store, ["somebody new"] * 3, new, "fp32")
        groups["somebody new"] = new
        assert ranked(opened, probe, 20) == brute_force(groups, probe)
        opened.forget("person 3")
        del groups["person 3"]
        assert ranked(opened, probe, 20) == brute_force(groups, probe)
        opened.merge("person 4", "person 8")
        groups["person 8"] = np.concatenate([groups.pop("person 4"), groups["person 8"]])
        assert ranked(opened, probe, 20) == brute_force(groups, probe)
        opened.rename("person 8", "another name")
        groups["another name"] = groups.pop("person 8")
        assert ranked(opened, probe, 20) == brute_force(groups, probe)
        opened.rename("person 5", "person 3")
        groups["person 3"] = groups.pop("person 5")
        assert ranked(opened, probe, 20) == brute_force(groups, probe)


def test_persons_that_look_the_same_come_in_the_order_of_their_enrolment(tmp_path: Path) -> None:
    twin = photos(1, 1)[0]
    store_templates(tmp_path, ["b"], twin)
    with open_store(tmp_path) as store:
        for name in ("a", "c"):
            add_templates(store, [name], twin)
    with Gallery.open(tmp_path) as opened:
        assert ranked(opened, twin[0], 3) == ["b", "a", "c"]
        assert ranked(opened, twin[0], 2) == ["b", "a"]


def test_one_photo_of_somebody_else_among_many_is_left_out() -> None:
    mine, other = photos(2, 6)
    mixed = np.concatenate([mine, other[:1]])
    assert np.allclose(fused_template(mixed, np.ones(7)), fused_template(mine, np.ones(6)), atol=1e-6)


def test_a_photo_of_low_quality_counts_for_little() -> None:
    good, bad = unit(np.eye(D)[:2])
    fused = fused_template(np.stack([good, bad]), np.array([1.0, 0.01]))
    assert fused @ good > 0.999
    assert fused_template(np.stack([good, bad]), np.zeros(2)) @ good == pytest.approx(0.5**0.5, abs=1e-6)


def test_templates_that_point_away_from_each_other_are_stood_for_by_the_best() -> None:
    x = np.eye(D, dtype=np.float32)[:1]
    assert np.array_equal(fused_template(np.concatenate([x, -x]), np.array([0.5, 0.5])), x[0])


@settings(max_examples=50, deadline=None)
@given(count=st.integers(1, 9), seed=st.integers(0, 2**32 - 1))
def test_a_fused_template_has_unit_length_and_does_not_depend_on_the_order(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, quality = unit(rng.standard_normal((count, 16))), rng.uniform(0, 1, count)
    fused = fused_template(x, quality)
    assert np.linalg.norm(fused) == pytest.approx(1, abs=1e-5)
    order = rng.permutation(count)
    assert np.allclose(fused_template(x[order], quality[order]), fused, atol=1e-4)
    if count == 1:
        assert np.allclose(fused, x[0], atol=1e-6)
