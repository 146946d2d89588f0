"""From templates to candidates: one per identity, best template first, exactly as many as asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facesearch import Gallery
from facesearch.errors import GalleryNotFoundError, IndexStateError, UsageError

from .doubles import DIMENSION, store_templates, unit_vectors


def _near(vector: np.ndarray, count: int, noise: float, seed: int = 1) -> np.ndarray:
    """`count` unit vectors around one, nearer for less noise."""
    around = vector + noise * unit_vectors(count, seed)
    unit: np.ndarray = (around / np.linalg.norm(around, axis=1, keepdims=True)).astype(np.float32)
    return unit


@pytest.mark.parametrize("kind", ["flat", "sq8"])
def test_k_identities_asked_are_k_identities_returned(kind: str, tmp_path: Path) -> None:
    """One person's 200 templates are all nearer than anybody else's: far more than one look at the index brings."""
    probe = unit_vectors(1)
    crowd = _near(probe[0], 200, 0.1)
    others = unit_vectors(9, seed=2)
    names = ["Crowd"] * 200 + [f"person {n}" for n in range(9)]
    codec = "fp32" if kind == "flat" else "int8"
    store_templates(tmp_path, names, np.concatenate([crowd, others]), kind=kind, codec=codec)
    with Gallery.open(tmp_path) as gallery:
        for k in (1, 2, 5, 10):
            (candidates,) = gallery.search(probe, k)
            assert [candidate.rank for candidate in candidates] == list(range(1, k + 1))
            assert len({candidate.identity for candidate in candidates}) == k
            assert candidates[0].identity == "Crowd"
        assert len(gallery.search(probe, 1000)[0]) == 10


def test_of_several_probes_each_gets_its_own_answer(tmp_path: Path) -> None:
    """One of them needs a deeper look into the index than the others."""
    people = unit_vectors(6)
    crowd = _near(people[0], 100, 0.1)
    store_templates(
        tmp_path, ["Crowd"] * 100 + [f"person {n}" for n in range(1, 6)], np.concatenate([crowd, people[1:]])
    )
    with Gallery.open(tmp_path) as gallery:
        found = gallery.search(people, 3)
        assert [candidates[0].identity for candidates in found] == ["Crowd", *(f"person {n}" for n in range(1, 6))]
        assert all(len(candidates) == 3 for candidates in found)
        assert found == [gallery.search(person[None], 3)[0] for person in people]
        assert gallery.search(people[:0], 3) == []


def test_the_best_template_of_an_identity_is_its_similarity(tmp_path: Path) -> None:
    probe = unit_vectors(1)
    templates = np.concatenate([_near(probe[0], 1, noise) for noise in (1.0, 0.2, 0.5)])
    ids = store_templates(tmp_path, ["Ann", "Ann", "Ann"], templates)
    with Gallery.open(tmp_path) as gallery:
        (candidates,) = gallery.search(probe, 5)
    (best,) = candidates
    assert best.template_id == ids[1]
    assert best.similarity == pytest.approx(float(templates[1] @ probe[0]), abs=1e-6)


@pytest.mark.parametrize("kind", ["flat", "sq8"])
def test_equal_similarities_are_ranked_by_the_lowest_template_id(kind: str, tmp_path: Path) -> None:
    template = unit_vectors(1)
    names = ["Zoe", "Ann", "Bob", "Ann", "Zoe"]
    store_templates(tmp_path, names, np.repeat(template, 5, axis=0), kind=kind, codec="int8")
    with Gallery.open(tmp_path) as gallery:
        (candidates,) = gallery.search(template, 5)
        assert [(found.identity, found.template_id) for found in candidates] == [("Zoe", 1), ("Ann", 2), ("Bob", 3)]
        assert len({candidate.similarity for candidate in candidates}) == 1
        assert [found.identity for found in gallery.search(template, 2)[0]] == ["Zoe", "Ann"]
        gallery.forget("Zoe")
        assert [found.identity for found in gallery.search(template, 2)[0]] == ["Ann", "Bob"]


@pytest.mark.parametrize(("kind", "reached"), [("flat", 0.99), ("sq8", 0.99), ("pq16", 0.3)])
def test_a_similarity_is_a_cosine_whatever_the_index_makes_of_the_templates(
    kind: str, reached: float, tmp_path: Path
) -> None:
    vectors = unit_vectors(1200)
    vectors[1::2] = -vectors[::2]
    store_templates(tmp_path, [f"person {n}" for n in range(1200)], vectors, kind=kind)
    with Gallery.open(tmp_path) as gallery:
        assert gallery.index_info().answering == kind
        similarities = [found.similarity for answer in gallery.search(vectors[:20], 1200) for found in answer]
    assert max(similarities) <= 1
    assert min(similarities) >= -1
    assert max(similarities) > reached
    assert min(similarities) < -reached


def test_an_empty_gallery_says_so_and_one_that_was_emptied_knows_nobody(tmp_path: Path) -> None:
    with Gallery.open(tmp_path) as gallery, pytest.raises(GalleryNotFoundError, match="is empty"):
        gallery.search(unit_vectors(1))
    store_templates(tmp_path, ["Ann"], unit_vectors(1))
    with Gallery.open(tmp_path) as gallery:
        gallery.forget("Ann")
        assert gallery.search(unit_vectors(2), 3) == [[], []]
        assert gallery.check() == []


def test_fewer_than_one_candidate_cannot_be_asked_for(everybody: Gallery, people_photos: Path) -> None:
    with pytest.raises(UsageError, match="k is 0"):
        everybody.identify(next(people_photos.rglob("*.jpg")), k=0)


def test_templates_of_another_dimension_are_refused_in_a_line(tmp_path: Path) -> None:
    store_templates(tmp_path, ["Ann"], unit_vectors(1))
    with Gallery.open(tmp_path) as gallery, pytest.raises(IndexStateError, match=str(DIMENSION)):
        gallery.search(np.eye(3, dtype=np.float32))
