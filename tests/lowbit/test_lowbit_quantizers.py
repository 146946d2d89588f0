"""Uniform quantizers, packed codes and rotations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")
import torch

from facesearch.encoders.lowbit import packing, uniform
from facesearch.encoders.lowbit import signed_rotation as rotation
from facesearch.encoders.lowbit.uniform import Grid, Steps

bits = st.integers(2, 8)
grids = st.builds(Grid, bits, st.booleans())
seeds = st.integers(0, 2**16)


def _rows(seed: int, count: int = 5, width: int = 24, offset: float = 0.0) -> torch.Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed)) + offset


@given(grids, seeds, st.floats(-3, 3))
@settings(deadline=None)
def test_what_is_rounded_is_exactly_what_its_codes_stand_for(grid: Grid, seed: int, offset: float) -> None:
    rows = _rows(seed, offset=offset)
    steps = uniform.find_steps(rows, grid, "mse")
    codes = uniform.encode(rows, steps, grid)
    assert int(codes.min()) >= grid.lowest
    assert int(codes.max()) <= grid.highest
    assert torch.equal(uniform.decode(codes, steps), uniform.rounded(rows, steps, grid))


@given(grids, seeds)
@settings(deadline=None)
def test_inside_its_range_a_number_moves_by_half_a_step_at_most_and_zero_not_at_all(grid: Grid, seed: int) -> None:
    rows = _rows(seed)
    rows[:, 0] = 0
    steps = uniform.find_steps(rows, grid)
    moved = (uniform.rounded(rows, steps, grid) - rows).abs()
    shift = 0.5 if grid.symmetric else 1.0  # a whole zero point moves the ends by up to half a step more
    assert bool((moved <= shift * steps.scale[:, None] * 1.001).all())
    assert bool((moved[:, 0] == 0).all())


@pytest.mark.parametrize("symmetric", [True, False])
def test_more_bits_lose_less(symmetric: bool) -> None:
    rows = _rows(0, 8, 512)
    errors = []
    for count in range(2, 9):
        grid = Grid(count, symmetric)
        errors.append(float((uniform.rounded(rows, uniform.find_steps(rows, grid, "mse"), grid) - rows).square().sum()))
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > 100 * errors[-1]


@given(grids, seeds)
@settings(deadline=None)
def test_the_search_for_the_least_error_is_never_worse_than_the_full_range(grid: Grid, seed: int) -> None:
    rows = _rows(seed) ** 3

    def error(method: uniform.RangeMethod) -> torch.Tensor:
        return (uniform.rounded(rows, uniform.find_steps(rows, grid, method), grid) - rows).square().sum(dim=1)

    assert bool((error("mse") <= error("minmax") * 1.0001).all())


def test_a_percentile_leaves_out_what_lies_far_outside() -> None:
    rows = torch.cat([torch.linspace(-1, 1, 999), torch.tensor([100.0])])[None]
    grid = Grid(4, False)
    assert float(uniform.find_steps(rows, grid, "percentile", 99.0).scale) < 0.2
    assert float(uniform.find_steps(rows, grid, "minmax").scale) > 6


def test_gradients_go_straight_through_inside_the_range_and_reach_the_scale() -> None:
    rows = torch.tensor([[-5.0, 0.3, 0.9, 5.0]], requires_grad=True)
    grid = Grid(3, True)
    scale = torch.tensor([0.5], requires_grad=True)
    torch.autograd.backward(uniform.rounded(rows, Steps(scale, torch.zeros(1, dtype=torch.int32)), grid).sum())
    assert rows.grad is not None
    assert rows.grad.tolist() == [[0, 1, 1, 0]]
    # outside the range a number is the scale times its code; inside, the scale's part is what rounding added
    assert scale.grad is not None
    expected = -4 + (1 - 0.6) + (2 - 1.8) + 3
    assert float(scale.grad) == pytest.approx(expected, abs=1e-5)
    fixed = torch.tensor([[-5.0, 0.3, 0.9, 5.0]], requires_grad=True)
    torch.autograd.backward(
        uniform.rounded(fixed, Steps(torch.tensor([0.5]), torch.zeros(1, dtype=torch.int32)), grid).sum()
    )
    assert fixed.grad is not None
    assert fixed.grad.tolist() == [[0, 1, 1, 0]]


def test_a_row_of_zeros_stays_zeros() -> None:
    rows = torch.zeros(2, 4)
    for grid in (Grid(4, True), Grid(4, False)):
        for method in ("minmax", "mse"):
            assert torch.equal(uniform.rounded(rows, uniform.find_steps(rows, grid, method), grid), rows)


@pytest.mark.parametrize("count", [1, 9])
def test_grids_have_two_to_eight_bits(count: int) -> None:
    with pytest.raises(ValueError, match="2 to 8"):
        Grid(count, True)


def test_groups_that_do_not_divide_a_channel_fall_back_to_the_channel() -> None:
    weight = torch.zeros(6, 4, 3, 3)
    assert uniform.rows_of_weight(weight).shape == (6, 36)
    assert uniform.rows_of_weight(weight, 12).shape == (18, 12)
    assert uniform.rows_of_weight(weight, 32).shape == (6, 36)


@given(st.integers(1, 8), st.lists(st.integers(0, 255), max_size=70))
def test_packed_codes_come_back_and_take_no_more_bits_than_they_have(width: int, values: list[int]) -> None:
    codes = np.array([value % 2**width for value in values], np.uint8)
    packed = packing.pack(codes, width)
    assert len(packed) == packing.packed_size(len(codes), width) == -(-len(codes) * width // 8)
    assert np.array_equal(packing.unpack(packed, len(codes), width), codes)


def test_many_codes_are_packed_in_blocks_without_a_seam() -> None:
    codes = np.random.default_rng(0).integers(0, 8, (1 << 20) * 2 + 5, dtype=np.uint8)
    assert np.array_equal(packing.unpack(packing.pack(codes, 3), len(codes), 3), codes)


def test_codes_that_do_not_fit_and_bytes_that_do_not_suffice_are_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        packing.pack(np.array([16], np.uint8), 4)
    with pytest.raises(ValueError, match="take 2 bytes"):
        packing.unpack(np.zeros(3, np.uint8), 4, 4)


@given(st.integers(1, 200), seeds)
@settings(deadline=None)
def test_a_rotation_of_any_width_keeps_lengths_and_is_its_matrix(width: int, seed: int) -> None:
    signs = rotation.random_signs(width, seed)
    assert set(signs.tolist()) <= {1.0, -1.0}
    whole = rotation.matrix(signs)
    assert torch.allclose(whole @ whole.T, torch.eye(width), atol=1e-5)
    rows = _rows(seed, 3, width)
    assert torch.allclose(rotation.rotate(rows, signs), rows @ whole, atol=1e-5)


@pytest.mark.parametrize("width", [32, 48, 100, 192, 768])
def test_a_rotation_spreads_one_loud_channel_over_all(width: int) -> None:
    rows = torch.zeros(1, width)
    rows[0, 5] = 1
    turned = rotation.rotate(rows, rotation.random_signs(width, 0)).abs()
    assert float(turned.max()) <= (2 / width) ** 0.5 * 1.001


def test_a_rotation_by_factors_costs_less_than_a_matrix() -> None:
    assert rotation.operations(64) == 64 * 6
    assert rotation.operations(768) == 768 * (8 + 3)
    assert rotation.operations(19) == 19 * 19
