"""How templates are stored: what a codec loses, and that damage is noticed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from facesearch.codecs.plain import CODECS, find_codec
from facesearch.errors import StoreError

LEAST_COSINE = {"fp32": 1 - 1e-6, "fp16": 1 - 1e-6, "int8": 0.9999}
DIMENSIONS = st.sampled_from([64, 128, 256, 512])

Vectors = npt.NDArray[np.float32]


def _unit(vectors: npt.NDArray[np.float64]) -> Vectors:
    unit: Vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit


def _cosines(name: str, templates: Vectors) -> Vectors:
    codec = find_codec(name)
    codes = codec.encode(templates)
    n, dimension = templates.shape
    assert [len(code) for code in codes] == [dimension * codec.dtype.itemsize] * n
    decoded = codec.decode(codes, dimension)
    assert decoded.dtype == np.float32
    assert np.allclose(np.linalg.norm(decoded, axis=1), 1, atol=1e-5)
    cosines: Vectors = np.vecdot(decoded, templates)
    return cosines


@pytest.mark.parametrize("name", CODECS)
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 20), dimension=DIMENSIONS)
def test_a_template_keeps_its_direction(name: str, seed: int, count: int, dimension: int) -> None:
    templates = _unit(np.random.default_rng(seed).normal(size=(count, dimension)))
    assert _cosines(name, templates).min() >= LEAST_COSINE[name]


@pytest.mark.parametrize("name", CODECS)
@given(
    values=hnp.arrays(
        np.float32, st.tuples(st.integers(1, 4), DIMENSIONS), elements=st.floats(-1, 1, width=32, allow_subnormal=False)
    )
)
def test_a_template_of_any_shape_is_never_turned_far(name: str, values: Vectors) -> None:
    """Also one whose components are almost all zero, or one large and all others just too small for a step."""
    wide = values.astype(np.float64)
    wide[:, 0] += np.where(np.linalg.norm(wide, axis=1) < 0.5, 1, 0)
    assert _cosines(name, _unit(wide)).min() >= (0.99 if name == "int8" else LEAST_COSINE[name])


@pytest.mark.parametrize("name", CODECS)
def test_encoding_what_was_decoded_changes_nothing_any_more(name: str) -> None:
    codec = find_codec(name)
    templates = _unit(np.random.default_rng(0).normal(size=(50, 128)))
    once = codec.decode(codec.encode(templates), 128)
    twice = codec.decode(codec.encode(once), 128)
    assert np.allclose(once, twice, atol=1e-6)


@pytest.mark.parametrize("name", CODECS)
def test_no_templates_are_no_codes_and_back(name: str) -> None:
    codec = find_codec(name)
    assert codec.encode(np.zeros((0, 128), np.float32)) == []
    assert codec.decode([], 128).shape == (0, 128)


@pytest.mark.parametrize("name", CODECS)
@given(length=st.integers(0, 2100))
def test_a_code_of_the_wrong_length_is_refused(name: str, length: int) -> None:
    codec = find_codec(name)
    if length == 128 * codec.dtype.itemsize:
        return
    good = codec.encode(_unit(np.ones((1, 128))))
    with pytest.raises(StoreError, match="a stored template is damaged: it is not"):
        codec.decode([*good, b"\1" * length], 128)


@pytest.mark.parametrize("name", CODECS)
def test_a_code_without_a_direction_is_refused(name: str) -> None:
    with pytest.raises(StoreError, match="it has no direction; restore a backup"):
        find_codec(name).decode([bytes(128 * find_codec(name).dtype.itemsize)], 128)


@pytest.mark.parametrize(
    ("name", "pattern"), [("fp32", b"\x00\x00\xc0\x7f"), ("fp32", b"\x00\x00\x80\x7f"), ("fp16", b"\x00\x7c")]
)
def test_a_code_that_is_not_a_number_is_refused(name: str, pattern: bytes) -> None:
    size = 128 * find_codec(name).dtype.itemsize
    with pytest.raises(StoreError, match="it has no direction"):
        find_codec(name).decode([pattern + bytes(size - len(pattern))], 128)


def test_a_codec_of_a_newer_version_is_named() -> None:
    with pytest.raises(StoreError, match="stored as 'int2', which this version cannot read: upgrade"):
        find_codec("int2")
