"""Templates stored as the codes of an index kind: small, without a float copy, read with codebooks that stay."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from facesearch.assets import read_asset
from facesearch.codecs.gallery_codecs import GalleryCodecs
from facesearch.codecs.plain import find_codec
from facesearch.codecs.population import population, population_origin
from facesearch.errors import IndexStateError, StoreError, UsageError
from facesearch.gallery.gallery import Gallery
from facesearch.photos.photo import Photo
from facesearch.store import open_store
from facesearch.store.sql.index_state import clear_index_state
from facesearch.store.sql.settings import change_settings
from indexes import learn_coder
from indexes.karhunen import KarhunenLoeve

from .doubles import (
    DIMENSION,
    ProjectionEncoder,
    add_templates,
    as_encoder,
    damage,
    index_files,
    store_templates,
    unit_vectors,
)

PEOPLE = [f"person {number}" for number in range(300)]

Floats = npt.NDArray[np.float32]


def faces(count: int, seed: int = 0) -> Floats:
    """Templates (count, DIMENSION) such as the embedded encoder gives: drawn from the statistics that come with it."""
    transform = KarhunenLoeve.from_bytes(read_asset("codebook-dlib-resnet"))
    normal = np.random.default_rng(seed).standard_normal((count, transform.components))
    return transform.reconstruct(np.asarray(normal * np.sqrt(transform.variances), np.float32))


def first_names(gallery: Gallery, probes: Floats) -> list[str]:
    return [found[0].identity for found in gallery.search(probes, 1)]


def test_a_gallery_of_ten_faces_is_compressed_with_statistics_of_other_people(tmp_path: Path) -> None:
    vectors = faces(10)
    store_templates(tmp_path, PEOPLE[:10], vectors)
    with Gallery.open(tmp_path) as gallery:
        gallery.build_index("tcq32")
        info = gallery.info()
        assert (info.index, info.codec, info.originals) == ("tcq32", "tcq32@1", "none")
        assert first_names(gallery, vectors) == PEOPLE[:10]
        assert gallery.index_info().answering == "tcq32"
        assert gallery.check() == []
    with open_store(tmp_path) as store:
        batch = next(iter(store.templates.batches()))
        assert {len(code) for code in batch.codes} == {32}
        assert "portraits" in store.codebooks.read("tcq32@1")[1]


@pytest.mark.parametrize("kind", ["tcq64", "sq4", "rabitq", "pq16", "pca64,sq6", "rabitq+tcq32"])
def test_after_a_switch_no_other_copy_of_a_template_is_left_on_the_disk(tmp_path: Path, kind: str) -> None:
    vectors = faces(300)
    store_templates(tmp_path, PEOPLE, vectors)
    with Gallery.open(tmp_path) as gallery:
        gallery.build_index()
        gallery.build_index(kind)
        assert np.mean([found == own for found, own in zip(first_names(gallery, vectors), PEOPLE, strict=True)]) > 0.9
        assert gallery.info().originals == "none"
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    with open_store(tmp_path) as store:
        codes = next(iter(store.templates.batches())).codes
    for row in (0, 17, 299):
        for codec in ("fp32", "fp16", "int8"):
            assert find_codec(codec).encode(vectors[row : row + 1])[0][:48] not in content
        assert codes[row] in content  # as a check of the search


@pytest.mark.parametrize("kind", ["tcq16", "sq4", "pq32", "rabitq+tcq32"])
def test_an_index_is_rebuilt_from_the_stored_codes_to_the_byte(tmp_path: Path, kind: str) -> None:
    vectors = faces(300)
    store_templates(tmp_path, PEOPLE, vectors)
    sums = []
    with Gallery.open(tmp_path) as gallery:
        for wanted in (kind, None, kind):
            gallery.build_index(wanted)
            with open_store(tmp_path) as store:
                state = store.index_state.read()
                assert state is not None
                sums.append((state.segments[0].sha256, gallery.info().codec))
    assert len(set(sums)) == 1
    for path in index_files(tmp_path):
        path.unlink()
    with Gallery.open(tmp_path) as gallery:  # rebuilt on opening
        assert first_names(gallery, vectors[:40]) == PEOPLE[:40]


def test_templates_of_an_older_codebook_answer_until_they_are_coded_anew(tmp_path: Path) -> None:
    vectors = faces(300)
    store_templates(tmp_path, PEOPLE[:200], vectors[:200])
    with Gallery.open(tmp_path) as gallery:
        gallery.build_index("tcq32")
        with open_store(tmp_path) as store:
            other = learn_coder("tcq32", DIMENSION, faces(300, seed=9))
            codec = store.codebooks.add("tcq32", other.to_bytes(), "a test")
            assert codec == "tcq32@2"
            codecs = GalleryCodecs(store.codebooks)
            for name, batch in (("tcq32@1", slice(200, 250)), (codec, slice(250, 300))):
                with store.transactions.writing() as connection:
                    change_settings(connection, codec=name)
                    clear_index_state(connection)
                codes = codecs.find(name).encode(vectors[batch])
                add_templates(store, PEOPLE[batch], vectors[batch], name, codes)
        assert first_names(gallery, vectors) == PEOPLE
    with Gallery.open(tmp_path) as gallery, open_store(tmp_path) as store:
        assert first_names(gallery, vectors) == PEOPLE
        assert store.templates.codecs() == {"tcq32@1", "tcq32@2"}
        gallery.build_index()
        assert store.templates.codecs() == {"tcq32@2"}
        assert first_names(gallery, vectors) == PEOPLE
        with pytest.raises(StoreError, match="the codebook tcq32@1 of stored templates is missing"):
            store.codebooks.read("tcq32@1")
        assert gallery.check() == []


@pytest.mark.folder
def test_a_codebook_that_was_learnt_from_the_gallery_is_replaced_when_the_index_is_built(tmp_path: Path) -> None:
    kind, vectors = "pca64,sq6", faces(300)
    store_templates(tmp_path, PEOPLE, vectors)
    with Gallery.open(tmp_path) as gallery, open_store(tmp_path) as store:
        gallery.build_index(kind)
        learnt = learn_coder(kind, DIMENSION, vectors)
        codec = store.codebooks.add(kind, learnt.to_bytes(), "learnt from the templates of this gallery")
        store.recoding.switch(kind, codec, partial(gallery.parts.codecs.recoded, codec, DIMENSION), None)
        store.codebooks.remove_unused()
    with Gallery.open(tmp_path) as gallery, open_store(tmp_path) as store:
        assert gallery.info().codec == codec
        assert gallery.parts.codecs.keeps_people(codec)
        gallery.build_index()
        assert gallery.info().codec not in (codec, "fp32")
        assert not gallery.parts.codecs.keeps_people(gallery.info().codec)
        assert "portraits" in store.codebooks.read(gallery.info().codec)[1]
        assert first_names(gallery, vectors) == PEOPLE
        assert learnt.to_bytes()[:4096] not in (tmp_path / "gallery.db").read_bytes()


@pytest.mark.parametrize("kind", ["pq16", "opq16", "pca64,sq4", "tcq16", "fs16", "sq8", "pca64,fs16+sq8", "ivf8,sq4"])
def test_nothing_that_an_index_learns_depends_on_who_is_in_the_gallery(tmp_path: Path, kind: str) -> None:
    shared = []
    for seed in (1, 2):
        folder = tmp_path / str(seed)
        store_templates(folder, PEOPLE, faces(300, seed))
        with Gallery.open(folder) as gallery, open_store(folder) as store:
            gallery.build_index(kind)
            assert gallery.index_info().answering == kind
            codec = gallery.info().codec
            codebook = store.codebooks.read(codec)[0] if "@" in codec else b""
            empty = folder / "empty"
            gallery.parts.index.current().delta.emptied().save(empty)
            shared.append((codebook, empty.read_bytes()))
    assert shared[0] == shared[1]


def test_a_model_without_statistics_in_the_package_learns_from_nobody_either(tmp_path: Path) -> None:
    drawn = population("somebody-else", "pq16", 32)
    assert drawn.shape == (16_384, 32)
    assert abs(drawn.mean(axis=0)).max() < 0.01
    assert "random directions" in population_origin("somebody-else", 32)
    assert "random directions" in population_origin("dlib-resnet", 64)  # of another dimension than the package knows


def test_too_few_templates_to_learn_from_change_nothing(tmp_path: Path) -> None:
    store_templates(tmp_path, PEOPLE[:20], unit_vectors(20))
    with Gallery.open(tmp_path) as gallery:
        for change in ({"kind": "pq16"}, {"kind": "opq16", "relearn": True}):
            with pytest.raises(IndexStateError, match="needs at least 256 templates, this gallery has 20"):
                gallery.build_index(**change)
        assert (gallery.info().index, gallery.info().codec) == ("flat", "fp32")


@pytest.mark.parametrize("keep", ["fp32", "fp16", "int8"])
def test_originals_are_kept_where_asked(tmp_path: Path, keep: str) -> None:
    vectors = faces(30)
    store_templates(tmp_path, PEOPLE[:30], vectors)
    with Gallery.open(tmp_path) as gallery:
        gallery.build_index("tcq16", keep=keep)
        assert (gallery.info().codec, gallery.info().originals) == (keep, keep)
        assert gallery.index_info().answering == "tcq16"
        gallery.build_index(keep="none")
        assert (gallery.info().codec, gallery.info().originals) == ("tcq16@1", "none")
        assert first_names(gallery, vectors) == PEOPLE[:30]
        gallery.build_index("flat", keep="none")
        assert gallery.info().codec == "fp32"


@pytest.mark.parametrize(
    ("index", "keep", "codec"),
    [
        ("tcq32", None, "tcq32@1"),
        ("sq4", None, "sq4@1"),
        ("tcq32", "fp16", "fp16"),
        ("pq16", None, "int8"),
        ("flat", None, "fp32"),
        ("sq8", None, "int8"),
    ],
)
def test_a_new_gallery_stores_codes_from_the_first_photo_on(
    tmp_path: Path, index: str, keep: str | None, codec: str
) -> None:
    encoder = as_encoder(ProjectionEncoder("dlib-resnet"))
    pixels = np.random.default_rng(0).integers(0, 256, (5, 150, 150, 3), dtype=np.uint8)
    with Gallery.open(tmp_path, encoder=encoder, index=index, keep=keep) as gallery:
        photos = [Photo(name, Path(name), image) for name, image in zip(PEOPLE[:5], pixels, strict=True)]
        assert gallery.enroll_photos(photos, aligned="dlib-chip").templates == 5
        assert gallery.info().codec == codec
        assert [len(found) for found in gallery.search(encoder.encode(pixels), 5)] == [5] * 5
        with pytest.raises(UsageError, match="to change it: facesearch index build --keep-originals"):
            Gallery.open(tmp_path, encoder=encoder, keep="none" if keep else "fp16")
    with pytest.raises(UsageError, match="no codec is named 'fp8'"):
        Gallery.open(tmp_path / "other", index=index, keep="fp8")


def test_a_damaged_codebook_is_told_in_one_line_and_gives_no_answer(tmp_path: Path) -> None:
    vectors = faces(10)
    store_templates(tmp_path, PEOPLE[:10], vectors)
    with Gallery.open(tmp_path) as gallery:
        gallery.build_index("tcq32")
    for path in index_files(tmp_path):
        path.unlink()
    damage(tmp_path, "UPDATE codebooks SET content = zeroblob(length(content))")
    with Gallery.open(tmp_path) as gallery:
        with pytest.raises(StoreError, match=r"row 1 of codebooks is damaged") as caught:
            gallery.search(vectors, 1)
        assert "\n" not in str(caught.value)
        assert any("codebooks" in problem for problem in gallery.check())


def test_a_stored_code_of_the_wrong_length_is_refused(tmp_path: Path) -> None:
    store_templates(tmp_path, PEOPLE[:10], faces(10))
    with Gallery.open(tmp_path) as gallery:
        gallery.build_index("tcq32")
    with open_store(tmp_path) as store:
        codec = GalleryCodecs(store.codebooks).find("tcq32@1")
        with pytest.raises(StoreError, match="it is not 32 bytes long"):
            codec.decode([b"x" * 31], DIMENSION)
        with pytest.raises(StoreError, match="the codebook tcq32@7 of stored templates is missing"):
            GalleryCodecs(store.codebooks).find("tcq32@7")


def test_forgetting_and_merging_work_on_codes_and_leave_none_behind(tmp_path: Path) -> None:
    vectors = faces(40)
    store_templates(tmp_path, PEOPLE[:40], vectors)
    with Gallery.open(tmp_path) as gallery:
        gallery.build_index("tcq64")
        with open_store(tmp_path) as store:
            gone = store.templates.codes([8]).codes[0]
        assert gallery.forget(PEOPLE[7]).wiped
        gallery.merge(PEOPLE[3], PEOPLE[4])
        names = first_names(gallery, vectors[:10])
        assert names[3] == PEOPLE[4] and PEOPLE[7] not in names
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert gone not in content
