from __future__ import annotations

import subprocess
import sys

import pytest

import indexes
from indexes import UnknownKindError, UnsuitableKindError, VectorIndexError, create_index, parse_kind
from indexes.kinds import FAMILIES


@pytest.mark.parametrize("name", ["flat", "sq8", "pq1", "pq64", "pq512"])
def test_a_kind_is_read_and_written_back(name: str) -> None:
    assert str(parse_kind(name)) == name


@pytest.mark.parametrize(
    "text", ["", "Flat", "sq", "sq4", "pq", "pq0", "pq064", "pq-8", "pq8x4", " flat", "flat\n", "pq٣"]
)
def test_an_unknown_kind_is_refused_with_a_list_of_the_known(text: str) -> None:
    with pytest.raises(UnknownKindError, match=r"use one of flat, sq8, pq<m>$") as caught:
        create_index(text, 512)
    assert "\n" not in str(caught.value)


def test_a_number_of_subquantizers_that_does_not_divide_the_dimension_is_refused_with_ones_that_do() -> None:
    with pytest.raises(UnsuitableKindError, match=r"pq60 does not fit dimension 512: .* pq32, pq64, pq128") as caught:
        create_index("pq60", 512)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("dimension", [0, -1, 65_537, 1.5, "512", None])
def test_an_impossible_dimension_is_refused(dimension: int) -> None:
    with pytest.raises(UnsuitableKindError, match="whole number from 1 to 65536"):
        create_index("flat", dimension)


@pytest.mark.parametrize(("kind", "expected"), [("flat", 2048), ("sq8", 512), ("pq64", 64), ("pq128", 128)])
def test_bytes_per_vector_are_the_code_bytes_of_the_faiss_index(kind: str, expected: int) -> None:
    parsed = parse_kind(kind)
    assert create_index(kind, 512).bytes_per_vector == parsed.bytes_per_vector(512) == expected
    assert parsed.family.base(512, parsed.parameter).code_size == expected


def test_every_family_explains_itself_and_has_one_form() -> None:
    assert all(family.summary for family in FAMILIES)
    assert len({family.form for family in FAMILIES}) == len(FAMILIES)


def test_the_kind_for_large_galleries_exists_and_needs_no_training() -> None:
    assert create_index(indexes.LARGE_GALLERY_KIND, 512).training_size == 0


def test_every_public_name_exists_and_every_error_is_a_value_error() -> None:
    for name in indexes.__all__:
        value = getattr(indexes, name)
        if name.endswith("Error"):
            assert issubclass(value, VectorIndexError)
            assert issubclass(value, ValueError)
    assert set(indexes.__all__) <= set(dir(indexes))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = indexes.nothing


def test_importing_the_package_and_reading_a_kind_loads_neither_faiss_nor_numpy() -> None:
    program = (
        "import sys, indexes; indexes.parse_kind('pq64').bytes_per_vector(512); "
        "print([name for name in ('faiss', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_importing_faiss_warns_of_nothing() -> None:
    program = "import indexes; indexes.create_index('sq8', 8)"
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
