"""The fixed rotation in front of scalar codes, and rounding in the direction of a vector."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from index_samples import directions, unit

from indexes import create_index, learn_coder, load_coder
from indexes.spreading import gathered, rounded_in_direction, spread

DIMENSIONS = [1, 2, 3, 7, 64, 100, 128, 192, 512, 513]


def alike(count: int, dimension: int, share: float = 0.9) -> np.ndarray:
    """Vectors of which a share points in one direction, as all faces do for some encoders."""
    common = np.random.default_rng(123).standard_normal(dimension)
    own = np.random.default_rng(5).standard_normal((count, dimension))
    return unit(share * common + (1 - share) * own)


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_spreading_keeps_products_and_can_be_undone(dimension: int) -> None:
    x = directions(20, dimension)
    y = spread(x)
    np.testing.assert_allclose(y @ y.T, x @ x.T, atol=1e-5)
    np.testing.assert_allclose(gathered(y), x, atol=1e-6)


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_a_vectors_rotation_does_not_depend_on_its_batch(dimension: int) -> None:
    x = directions(5000, dimension)
    whole = spread(x)
    np.testing.assert_array_equal(np.concatenate([spread(x[:1]), spread(x[1:3]), spread(x[3:40])]), whole[:40])
    rounded = rounded_in_direction(whole, 0.3, 4)
    np.testing.assert_array_equal(rounded_in_direction(whole[1020:1030], 0.3, 4), rounded[1020:1030])


@pytest.mark.parametrize("dimension", [64, 128, 129, 160, 192, 257, 320, 512, 513, 640, 768])
def test_no_direction_that_vectors_come_in_leaves_the_range(dimension: int) -> None:
    axes = np.eye(dimension, dtype=np.float32)
    pairs = unit(axes + np.roll(axes, 1, axis=1))
    constant = np.full((1, dimension), dimension**-0.5, np.float32)
    steps = unit(np.tril(np.ones((dimension, dimension))))
    waves = unit(np.cos(np.pi / dimension * np.outer(np.arange(dimension), np.arange(dimension) + 0.5)))
    for x in (axes, pairs, constant, steps, waves, alike(300, dimension), directions(300, dimension)):
        assert np.abs(spread(x)).max() * dimension**0.5 < (5 if dimension in (64, 128, 192, 512) else 6)


@pytest.mark.parametrize(("kind", "most"), [("sq8", 0.005), ("sq6", 0.02), ("sq4", 0.06)])
@pytest.mark.parametrize("dimension", [128, 129, 160, 192, 320, 512, 513])
def test_scores_are_near_also_for_vectors_that_lie_in_one_component_or_resemble_each_other(
    kind: str, most: float, dimension: int
) -> None:
    for x in (np.eye(dimension, dtype=np.float32)[:60], alike(60, dimension)):
        index = create_index(kind, dimension)
        index.add(np.arange(60), x)
        assert np.abs(index.reconstruct(np.arange(60)) @ x.T - x @ x.T).max() < most


@given(seed=st.integers(0, 10_000), dimension=st.sampled_from([2, 5, 16, 128]), bits=st.sampled_from([4, 6]))
@settings(max_examples=40, deadline=None)
def test_rounding_stays_on_the_grid_and_keeps_a_vectors_product_with_itself(
    seed: int, dimension: int, bits: int
) -> None:
    y = spread(directions(8, dimension, seed=seed))
    half = min(1.0, 2.6 / dimension**0.5)
    rounded = rounded_in_direction(y, half, bits)
    places = (rounded + half) / (2 * half / (2**bits - 1)) - 0.5
    np.testing.assert_allclose(places, np.rint(places), atol=1e-3)
    nearest = np.clip(np.floor((y + half) / (2 * half) * (2**bits - 1)), 0, 2**bits - 1)
    nearest = (nearest + 0.5) * (2 * half / (2**bits - 1)) - half
    errors = np.abs(np.vecdot(rounded, y) - np.vecdot(y, y))
    assert (errors <= np.abs(np.vecdot(nearest, y) - np.vecdot(y, y)) + 1e-5).all()


def test_rounding_in_the_direction_of_a_vector_halves_the_errors_of_faces_that_are_alike() -> None:
    x = spread(alike(400, 128))
    half = 2.6 / 128**0.5
    places = np.clip(np.floor((x + half) / (2 * half) * 15), 0, 15)
    plain = (places + 0.5) * (2 * half / 15) - half
    careful = rounded_in_direction(x, half, 4)
    wrong = [np.sqrt(((coded @ x.T - x @ x.T) ** 2).mean()) for coded in (plain, careful)]
    assert wrong[1] < wrong[0] / 2


def test_nothing_and_a_vector_of_zeros_are_rounded() -> None:
    assert rounded_in_direction(np.zeros((0, 8), np.float32), 0.5, 4).shape == (0, 8)
    assert np.isfinite(rounded_in_direction(np.zeros((2, 8), np.float32), 0.5, 4)).all()


def test_codes_that_are_kept_outside_an_index_are_those_that_it_adds() -> None:
    x = directions(50, 96)
    coder = learn_coder("sq4", 96, np.zeros((0, 96), np.float32))
    again = load_coder(coder.to_bytes())
    codes = coder.encode(x)
    index = create_index("sq4", 96, coder=again)
    index.add_codes(np.arange(50), codes)
    direct = create_index("sq4", 96)
    direct.add(np.arange(50), x)
    np.testing.assert_array_equal(index.reconstruct(np.arange(50)), direct.reconstruct(np.arange(50)))
    np.testing.assert_array_equal(coder.decode(codes), index.reconstruct(np.arange(50)))
    assert len(coder.to_bytes()) < 4096  # the rotation is not stored
