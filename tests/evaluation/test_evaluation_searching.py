from __future__ import annotations

import numpy as np
import pytest

from facesearch.evaluation import result_cache, searching
from facesearch.evaluation.searching import GalleryTemplates, Probes, fill, search
from facesearch.files import locations
from indexes import create_index


def unit(x: np.ndarray) -> np.ndarray:
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True), np.float32)


def sample(people: int = 12, dimension: int = 16, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    identity = np.repeat(np.arange(people), rng.integers(1, 6, people))
    centres = rng.normal(size=(people, dimension))
    return unit(centres[identity] + 0.9 * rng.normal(size=(len(identity), dimension))), identity


def brute_force(stored: np.ndarray, identity: np.ndarray, probe: np.ndarray, person: int, own: int) -> tuple[int, int]:
    """(rank of the right identity, best row) by sorting all rows and counting people."""
    scores = [(-float(np.dot(stored[row], probe)), row) for row in range(len(stored)) if row != own]
    order = [row for _, row in sorted(scores)]
    people = list(dict.fromkeys(int(identity[row]) for row in order))
    return (people.index(person) + 1 if person in people else 0), order[0]


@pytest.mark.parametrize("kind", ["flat", "sq8", "pq4"])
@pytest.mark.parametrize("exhaustive", [True, False])
def test_every_search_is_what_sorting_all_rows_gives(
    kind: str, exhaustive: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, identity = sample()
    index = create_index(kind, x.shape[1])
    if index.training_size:
        index.train(unit(np.random.default_rng(9).normal(size=(index.training_size, x.shape[1]))))
    filled = fill(index, x)
    if not exhaustive:
        monkeypatch.setattr(searching, "_agrees", lambda *_: False)
    found_mask = np.ones(len(x), np.bool_)
    found_mask[3] = False
    person = identity.copy()
    person[7] = 99  # not enrolled
    rows = np.arange(len(x))
    found = search(filled, GalleryTemplates(x, identity), Probes(x, person, rows, found_mask))
    for probe in range(len(x)):
        if not found_mask[probe]:
            assert (found.rank[probe], found.row[probe], found.score[probe]) == (0, -1, -np.inf)
            continue
        rank, best = brute_force(filled.stored, identity, x[probe], int(person[probe]), probe)
        assert (found.rank[probe], found.row[probe]) == (rank, best)
        assert found.score[probe] == pytest.approx(float(filled.stored[best] @ x[probe]), abs=1e-5)
        mine = [row for row in rows if identity[row] == person[probe] and row != probe]
        expected = max((float(filled.stored[row] @ x[probe]) for row in mine), default=-np.inf)
        assert found.right[probe] == pytest.approx(expected, abs=1e-5)


def test_equal_scores_go_to_the_lowest_row_as_in_the_index() -> None:
    x = np.eye(4, dtype=np.float32)[[0, 0, 0, 1]]
    identity = np.array([0, 1, 2, 3])
    probes = Probes(x[:1], np.array([1]), np.array([-1]), np.array([True]))
    filled = fill(create_index("flat", 4), x)
    found = search(filled, GalleryTemplates(x, identity), probes)
    assert (found.row[0], found.rank[0]) == (0, 2)
    assert filled.index.search(x[:1], 1)[1][0, 0] == 0


def test_a_person_whose_only_image_is_the_probe_is_never_found() -> None:
    x, _ = sample(3)
    x = x[:3]
    probes = Probes(x, np.arange(3), np.arange(3), np.ones(3, np.bool_))
    found = search(fill(create_index("flat", x.shape[1]), x), GalleryTemplates(x, np.arange(3)), probes)
    assert (found.rank == 0).all()
    assert (found.row >= 0).all()


def test_searches_in_an_empty_gallery_find_nobody() -> None:
    empty = np.zeros((0, 4), np.float32)
    probes = Probes(np.eye(4, dtype=np.float32), np.arange(4), np.full(4, -1), np.ones(4, np.bool_))
    found = search(fill(create_index("flat", 4), empty), GalleryTemplates(empty, np.zeros(0, np.int64)), probes)
    assert (found.rank == 0).all()
    assert (found.score == -np.inf).all()


def test_searches_that_took_long_are_kept_and_a_damaged_file_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    x, identity = sample()
    filled, gallery = fill(create_index("flat", x.shape[1]), x), GalleryTemplates(x, identity)
    probes = Probes(x, identity, np.arange(len(x)), np.ones(len(x), np.bool_))
    folder = locations.home() / "cache" / "searches"
    search(filled, gallery, probes)
    assert not folder.exists()
    monkeypatch.setattr(result_cache, "WORTH_KEEPING", -1.0)
    first = search(filled, gallery, probes)
    (file,) = folder.iterdir()
    compute = searching._by_product
    monkeypatch.delattr(searching, "_by_product")
    again = search(filled, gallery, probes)
    for name in ("rank", "row", "score", "right"):
        assert np.array_equal(getattr(again, name), getattr(first, name))
    with pytest.raises(NameError):  # another probe is another search
        search(filled, gallery, Probes(x[::-1].copy(), identity, probes.own, probes.found))
    monkeypatch.setattr(searching, "_by_product", compute, raising=False)
    content = bytearray(file.read_bytes())
    content[-5] ^= 1
    file.write_bytes(content)
    assert np.array_equal(search(filled, gallery, probes).right, first.right)
    file.write_bytes(b"not what it was")
    assert np.array_equal(search(filled, gallery, probes).rank, first.rank)
