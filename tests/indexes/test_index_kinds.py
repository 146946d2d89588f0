from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from index_samples import directions

import indexes
from indexes import UnknownKindError, UnsuitableKindError, VectorIndexError, create_index, parse_kind
from indexes.families import FAMILIES


@pytest.mark.parametrize(
    "name",
    [
        "flat",
        "fp16",
        "sq8",
        "sq6",
        "sq4",
        "pq1",
        "pq64",
        "pq512",
        "opq32",
        "fs64",
        "rabitq",
        "pca256,sq4",
        "rabitq+sq4",
        "pca128,fs32+pca128,sq4",
    ],
)
def test_a_kind_is_read_and_written_back(name: str) -> None:
    assert str(parse_kind(name)) == name


@pytest.mark.parametrize(
    "text",
    [
        *["", "Flat", "sq", "sq5", "pq", "pq0", "pq064", "pq-8", "pq8x4", " flat", "flat\n", "pq٣", "+", "flat+"],
        *["flat+sq8+sq4", "+sq8", "pca,sq8", "pca0,sq8", "pca8", "pca8,", "pca8,pca4,sq8", "pca8sq8", "flat,sq8"],
        *["flat + sq8", "fs", "opq", "rabitq1"],
    ],
)
def test_an_unknown_kind_is_refused_with_a_list_of_the_known(text: str) -> None:
    with pytest.raises(UnknownKindError, match=r"use one of flat, fp16, sq8, .*as rabitq\+sq4$") as caught:
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


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("flat", 2048),
        ("fp16", 1024),
        ("sq8", 512),
        ("sq6", 384),
        ("sq4", 256),
        ("pq64", 64),
        ("pq128", 128),
        ("opq32", 32),
        ("fs64", 64),
        ("rabitq", 72),
        ("pca256,sq4", 128),
        ("rabitq+sq4", 328),
        ("pca128,fs32+sq8", 544),
        ("pca128,ivf16,fs32+sq8", 560),
        ("hnsw8,sq8", 592),
    ],
)
def test_bytes_per_vector_are_what_a_thousand_more_vectors_add_to_the_file(
    kind: str, expected: int, tmp_path: Path
) -> None:
    assert parse_kind(kind).bytes_per_vector(512) == expected
    x = directions(2400, 512)
    index = create_index(kind, 512)
    index.train(x)
    sizes = []
    for part in (x[:1200], x[1200:]):
        index.add(np.arange(1200) + len(index), part)
        sizes.append(index.save(tmp_path / "index").size_bytes)
    assert index.bytes_per_vector == expected
    assert (sizes[1] - sizes[0]) / 1200 == pytest.approx(expected + 8, rel=0.06)  # 8: the id


def test_a_pca_keeps_all_components_where_there_are_no_more() -> None:
    assert parse_kind("pca128,sq8").bytes_per_vector(64) == 64
    index = create_index("pca128,sq8", 64)
    index.train(directions(300, 64))
    index.add([3], directions(1, 64))
    assert index.search(directions(1, 64), 1)[0].item() == pytest.approx(1, abs=0.01)


def test_what_does_not_divide_the_components_is_refused() -> None:
    with pytest.raises(UnsuitableKindError, match=r"dimension 100 after pca: m has to divide it, as in .*pq25"):
        create_index("flat+pca100,pq32", 512)
    with pytest.raises(UnsuitableKindError, match="2 m has to divide it, as in fs1, fs2, fs4"):
        create_index("fs3", 8)
    with pytest.raises(UnsuitableKindError, match="it is odd"):
        create_index("fs1", 3)


def test_every_family_explains_itself_and_has_one_form() -> None:
    assert all(family.summary and family.exact_to for family in FAMILIES)
    assert len({family.form for family in FAMILIES}) == len(FAMILIES)


@pytest.mark.parametrize("dimension", [64, 128, 256, 512])
def test_the_kind_for_large_galleries_suits_usual_encoders_and_small_trials(dimension: int) -> None:
    x = directions(300, dimension)
    index = create_index(indexes.LARGE_GALLERY_KIND, dimension)
    index.train(x)
    index.add(np.arange(300), x)
    assert index.search(x[:40], 1)[1][:, 0].tolist() == list(range(40))


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
