from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from index_samples import directions, unit

from indexes import (
    DamagedIndexError,
    VectorIndexError,
    create_index,
    learn_coder,
    load_coder,
    ready_coder,
    trellis_table,
)
from indexes.karhunen import KarhunenLoeve, learn_transform
from indexes.trellis import plan_steps, trellis_quantizer
from indexes.trellis_table import LARGEST_STEP, TABLE_PATH, quantizers

few = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
variances = st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=40).map(
    lambda values: np.sort(np.array(values, np.float32))[::-1].copy()
)


@few
@given(variances, st.integers(2, 40))
def test_exactly_the_bits_of_a_code_are_shared_out_and_more_variance_never_gets_fewer(
    spread: np.ndarray, size: int
) -> None:
    steps = plan_steps(spread, size)
    assert sum(step.bits for step in steps) == 8 * size
    assert all(1 <= step.bits <= LARGEST_STEP for step in steps)
    used = [step.bits for step in steps if step.width == max(step.width for step in steps)]
    assert used == sorted(used, reverse=True)


@few
@given(variances, st.integers(2, 20), st.integers(0, 1000))
def test_a_code_is_the_same_whatever_stands_beside_it_and_decodes_to_what_was_chosen(
    spread: np.ndarray, size: int, seed: int
) -> None:
    quantizer = trellis_quantizer(spread, size)
    y = (np.random.default_rng(seed).standard_normal((5, spread.size)) * np.sqrt(spread)).astype(np.float32)
    codes = quantizer.encode(y)
    assert codes.shape == (5, size) and codes.dtype == np.uint8
    assert (quantizer.encode(y[3:4]) == codes[3:4]).all()
    assert (quantizer.encode(y[::-1]) == codes[::-1]).all()
    decoded = quantizer.decode(codes)
    assert np.isfinite(decoded).all()
    # No other code is nearer by chance: one bit off is farther on average.
    altered = codes.copy()
    altered[:, size // 2] ^= 1 << (seed % 8)
    nearer = np.square(quantizer.decode(altered) - y).sum() < np.square(decoded - y).sum() * 0.98
    assert not nearer


def test_any_bytes_decode_to_finite_numbers_of_the_size_of_the_source() -> None:
    quantizer = trellis_quantizer(np.linspace(1.0, 0.1, 50, dtype=np.float32), 16)
    codes = np.random.default_rng(0).integers(0, 256, (500, 16), dtype=np.uint8)
    assert np.abs(quantizer.decode(codes)).max() < 6


@pytest.mark.parametrize(("size", "components", "most"), [(12, 96, 1.20), (24, 96, 1.32), (48, 96, 1.65)])
def test_the_error_on_a_gaussian_source_is_near_what_no_code_can_undercut(
    size: int, components: int, most: float
) -> None:
    y = np.random.default_rng(5).standard_normal((256, components)).astype(np.float32)
    quantizer = trellis_quantizer(np.ones(components, np.float32), size)
    error = np.square(y - quantizer.decode(quantizer.encode(y))).mean()
    bound = 2.0 ** (-2 * 8 * size / components)  # distortion-rate function of a Gaussian source
    assert bound < error < most * bound


def test_unequal_variances_are_coded_with_less_error_than_equal_bits_would_leave() -> None:
    spread = np.geomspace(1, 0.01, 64, dtype=np.float32)
    y = (np.random.default_rng(6).standard_normal((200, 64)) * np.sqrt(spread)).astype(np.float32)
    fitted, equal = trellis_quantizer(spread, 16), trellis_quantizer(np.full(64, spread.mean(), np.float32), 16)
    errors = [np.square(y - one.decode(one.encode(y))).mean() for one in (fitted, equal)]
    assert errors[0] < 0.6 * errors[1]


def test_the_table_is_the_one_that_codes_were_written_with() -> None:
    numbers = [part for table in quantizers().values() for part in (table.values, table.gains, table.error)]
    content = b"".join(part.astype("<f4").tobytes() for part in numbers)
    assert hashlib.sha256(content).hexdigest() == "075cc522ceb88115b1cf4b3764cac0ef4379b1cfd853525cd7ff2bc6414210e4"
    for quantizer in quantizers().values():
        assert np.allclose(np.square(quantizer.values).mean(axis=1), 1, atol=1e-5)
        assert (np.diff(quantizer.error) < 0).all()


def test_a_table_that_is_missing_or_altered_is_never_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = bytearray(TABLE_PATH.read_bytes())
    monkeypatch.setattr(trellis_table, "TABLE_PATH", tmp_path / "table")
    read = quantizers.__wrapped__  # without what was read before
    with pytest.raises(VectorIndexError, match=r"^table is missing: install facesearch anew$"):
        read()
    content[-5] ^= 1
    (tmp_path / "table").write_bytes(content)
    with pytest.raises(VectorIndexError, match=r"^table is damaged: install facesearch anew$"):
        read()


def test_a_code_written_long_ago_is_read_as_it_was() -> None:
    quantizer = trellis_quantizer(np.array([0.5, 0.25, 0.125, 0.0625], np.float32), 3)
    decoded = quantizer.decode(np.array([[1, 2, 3], [250, 0, 17]], np.uint8))
    expected = [[-0.6232694, -0.1334781, 0.3604451, -0.5219433], [-0.9129669, 0.215614, -0.0078962, -0.0493049]]
    assert np.allclose(decoded, expected, atol=1e-6)


def test_a_transform_leaves_out_the_axes_that_vectors_do_not_use() -> None:
    rng = np.random.default_rng(0)
    x = unit(rng.standard_normal((400, 12)) @ rng.standard_normal((12, 32)))
    transform = learn_transform(x)
    assert transform.components == 12
    assert np.allclose(transform.reconstruct(transform.project(x)), x, atol=1e-3)


def test_a_transform_of_few_vectors_keeps_all_axes_and_learns_the_same_from_the_same() -> None:
    x = directions(20, 32)
    transform = learn_transform(x)
    assert transform.components == 32
    assert transform.variances[-1] > 0.1 * transform.variances[0]  # shrunk: nothing is known of the rest
    assert transform.to_bytes() == learn_transform(x).to_bytes()


def test_products_of_coded_queries_and_directions_are_cosines() -> None:
    x = unit(directions(300, 24, seed=3) + 0.3)
    transform = learn_transform(x)
    y = transform.project(x) * 0.7
    q = directions(9, 24, seed=4)
    assert np.allclose(
        transform.coded_queries(q) @ transform.directions(y).T, q @ transform.reconstruct(y).T, atol=2e-6
    )


@few
@given(st.data())
def test_a_damaged_codebook_is_refused_in_one_line(data: st.DataObject) -> None:
    content = bytearray(learn_coder("tcq4", 16, directions(300)).to_bytes())
    how = data.draw(st.sampled_from(["flip", "cut", "grow", "zeros"]))
    place = data.draw(st.integers(0, len(content) - 1))
    if how == "flip":
        content[place] ^= 1 << data.draw(st.integers(0, 7))
    elif how == "cut":
        del content[place:]
    elif how == "grow":
        content[place:place] = bytes(data.draw(st.integers(1, 70)))
    else:
        content = bytearray(len(content))
    with pytest.raises(DamagedIndexError, match=r"^codebook: ") as caught:
        load_coder(bytes(content))
    assert "\n" not in str(caught.value)


@few
@given(st.binary(max_size=300))
def test_bytes_that_are_no_codebook_are_refused(content: bytes) -> None:
    with pytest.raises(DamagedIndexError):
        load_coder(content)
    with pytest.raises(VectorIndexError):
        KarhunenLoeve.from_bytes(b"FSKLT\x00\x00\x01" + content)


def test_impossible_numbers_are_refused_even_with_a_right_checksum() -> None:
    good = learn_transform(unit(directions(300) * np.linspace(1, 0.3, 16)))
    for wrong in (
        KarhunenLoeve(good.mean, good.axes, -good.variances),
        KarhunenLoeve(good.mean, good.axes, good.variances[::-1].copy()),
        KarhunenLoeve(good.mean * np.float32(np.nan), good.axes, good.variances),
        KarhunenLoeve(good.mean + 7, good.axes, good.variances),
    ):
        with pytest.raises(VectorIndexError, match="impossible numbers"):
            KarhunenLoeve.from_bytes(wrong.to_bytes())


def test_a_transform_of_another_dimension_is_refused() -> None:
    transform = learn_transform(directions(300, 16)).to_bytes()
    with pytest.raises(VectorIndexError, match="no use for a transform"):
        ready_coder("sq4", transform)
    with pytest.raises(VectorIndexError, match="no use for codes"):
        create_index("tcq4", 24, coder=ready_coder("tcq4", transform))
