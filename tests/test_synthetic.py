"""Synthetic people: the same for the same seed, different from one another, and never from a damaged file."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from facesearch.encoders import load_encoder
from facesearch.errors import UsageError, WeightsError
from facesearch.faces import FaceDetector, find_crop, most_prominent
from facesearch.workshop.sample_people import FaceModel, draw_people, group_photo, take_photo, write_photos
from facesearch.workshop.sample_people.drawing import _face, _generator
from facesearch.workshop.sample_people.name_list import names
from facesearch.workshop.sample_people.people import TEXTURE_SIZE


@pytest.fixture
def copy_of_model(tmp_path: Path) -> Path:
    assets = resources.files("facesearch") / "assets"
    for name in ("people.npz", "people.json"):
        with resources.as_file(assets / name) as source:
            shutil.copy(source, tmp_path / name)
    return tmp_path / "people.npz"


def sign_again(path: Path) -> None:
    """Makes the manifest agree with a changed file, so that the reading itself is tested."""
    manifest = json.loads(path.with_suffix(".json").read_text())
    manifest["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_suffix(".json").write_text(json.dumps(manifest))


def test_same_seed_gives_the_same_people_and_photos() -> None:
    first, again = draw_people(3, seed=7), draw_people(3, seed=7)
    for one, other in zip(first, again, strict=True):
        assert one.name == other.name
        assert np.array_equal(one.coefficients, other.coefficients)
        assert np.array_equal(take_photo(one, 4), take_photo(other, 4))


def test_photos_do_not_depend_on_global_random_state_or_order() -> None:
    person = draw_people(1)[0]
    expected = take_photo(person, 2)
    np.random.seed(99)  # noqa: NPY002  # the global state is what must not matter
    take_photo(person, 0)
    assert np.array_equal(take_photo(person, 2), expected)


def test_other_seed_gives_other_people() -> None:
    one, other = draw_people(1, seed=1)[0], draw_people(1, seed=2)[0]
    assert np.abs(one.coefficients - other.coefficients).mean() > 0.5


def test_fewer_people_are_a_prefix_of_more() -> None:
    few, many = draw_people(4, seed=3), draw_people(9, seed=3)
    assert [person.name for person in few] == [person.name for person in many[:4]]
    assert all(np.array_equal(a.coefficients, b.coefficients) for a, b in zip(few, many, strict=False))


def test_names_and_identities_are_unique() -> None:
    people = draw_people(200)
    assert len({person.name for person in people}) == 200
    assert len({person.identity for person in people}) == 200
    assert all(" " not in person.identity for person in people)
    assert len(set(names(2000, 5))) == 2000


def test_no_two_people_are_alike_in_the_model() -> None:
    z = np.stack([person.coefficients for person in draw_people(200)])  # (200, C + S)
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    assert (z @ z.T - np.eye(len(z))).max() < 0.35


def test_people_are_within_what_real_adults_look_like() -> None:
    z = np.stack([person.coefficients for person in draw_people(100)])
    assert np.abs(z).max() < 3.0
    assert 0.3 < z.std() < 1.3


@pytest.mark.parametrize("size", [(320, 320), (250, 250), (160, 240), (64, 64)])
def test_photo_is_rgb_of_the_size_asked_for(size: tuple[int, int]) -> None:
    photo = take_photo(draw_people(1)[0], 0, size)
    assert photo.dtype == np.uint8
    assert photo.shape == (*size, 3)
    assert photo.std() > 10
    assert photo.flags.writeable


def test_shots_differ() -> None:
    person = draw_people(1)[0]
    photos = [take_photo(person, shot).astype(int) for shot in range(4)]
    assert all(np.abs(a - b).mean() > 3 for i, a in enumerate(photos) for b in photos[:i])


def test_photos_of_one_person_are_nearer_than_those_of_others() -> None:
    people = draw_people(30)
    faces = np.stack([[aligned_face(person, shot) for shot in range(3)] for person in people])  # (30, 3, values)
    enrolled, probes = faces[:, 0], faces[:, 1:]
    distances = np.linalg.norm(probes[:, :, None] - enrolled, axis=-1)  # (30, 2, 30)
    own = distances[np.arange(30), :, np.arange(30)]
    assert (distances.argmin(axis=-1) == np.arange(30)[:, None]).all()
    assert own.max() < np.median(distances)


def aligned_face(person: Any, shot: int) -> NDArray[np.float64]:
    """The face of a photo before it is placed: middle of the face, without its tone and contrast."""
    pixels = np.asarray(_face(person, _generator(person, shot)).convert("L"), dtype=np.float64)
    assert pixels.shape == TEXTURE_SIZE
    inner = pixels[26:112, 20:92]
    unit: NDArray[np.float64] = ((inner - inner.mean()) / inner.std()).ravel()
    return unit


def test_mean_face_has_dark_eyes_and_is_symmetric() -> None:
    model = FaceModel.load()
    height, width = TEXTURE_SIZE
    luma = model.texture(np.zeros(len(model.deviations)))[: height * width].reshape(height, width)
    assert luma[42:47, 31:41].mean() < luma[62:70, 31:41].mean() - 20
    assert np.abs(luma - luma[:, ::-1]).max() <= 1


def test_group_photo_has_a_place_for_everyone() -> None:
    people = draw_people(3)
    photo = group_photo(people, size=(240, 600))
    assert photo.shape == (240, 600, 3)
    assert np.array_equal(photo, group_photo(people, size=(240, 600)))
    assert not np.array_equal(photo, group_photo(people, size=(240, 600), dominant=1))


@pytest.mark.parametrize(
    "ask",
    [
        lambda: draw_people(-1),
        lambda: draw_people(2001),
        lambda: draw_people(1, seed=-1),
        lambda: take_photo(draw_people(1)[0], -1),
        lambda: take_photo(draw_people(1)[0], 0, (20, 320)),
        lambda: group_photo([]),
        lambda: group_photo(draw_people(9), size=(64, 64)),
        lambda: group_photo(draw_people(2), dominant=2),
    ],
)
def test_impossible_wish_is_a_usage_error_in_one_line(ask: Any) -> None:
    with pytest.raises(UsageError) as caught:
        ask()
    assert "\n" not in str(caught.value)


def test_photos_are_written_as_lfw_is_laid_out(tmp_path: Path) -> None:
    people = draw_people(2)
    paths = write_photos(tmp_path / "photos", people, 2, size=(96, 128))
    expected = [f"{p.identity}/{p.identity}_{n:04d}.jpg" for p in people for n in (1, 2)]
    assert [str(path.relative_to(tmp_path / "photos")) for path in paths] == expected
    assert sorted(path for path in (tmp_path / "photos").rglob("*") if path.is_file()) == sorted(paths)
    with Image.open(paths[0]) as image:
        assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (128, 96))


def test_untouched_copy_of_the_model_is_read(copy_of_model: Path) -> None:
    assert np.array_equal(FaceModel.load(copy_of_model).components, FaceModel.load().components)


def test_model_with_one_flipped_bit_is_refused(copy_of_model: Path) -> None:
    content = bytearray(copy_of_model.read_bytes())
    content[len(content) // 2] ^= 1
    copy_of_model.write_bytes(content)
    with pytest.raises(WeightsError, match="SHA-256") as caught:
        FaceModel.load(copy_of_model)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY\x01\x00", b"PK\x03\x04 no archive", b"\x80\x04N."])
def test_file_that_is_no_model_is_refused_even_with_the_right_checksum(copy_of_model: Path, content: bytes) -> None:
    copy_of_model.write_bytes(content)
    sign_again(copy_of_model)
    with pytest.raises(WeightsError, match="not a model") as caught:
        FaceModel.load(copy_of_model)
    assert "\n" not in str(caught.value)


def test_model_with_pickled_or_missing_arrays_is_refused(copy_of_model: Path) -> None:
    for arrays in ({"mean": np.array([{}], dtype=object)}, {"mean": np.zeros(4, np.uint8)}):
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        copy_of_model.write_bytes(buffer.getvalue())
        sign_again(copy_of_model)
        with pytest.raises(WeightsError, match="not a model"):
            FaceModel.load(copy_of_model)


@pytest.mark.parametrize("missing", ["people.npz", "people.json"])
def test_missing_model_or_manifest_is_said_so(copy_of_model: Path, missing: str) -> None:
    (copy_of_model.parent / missing).unlink()
    with pytest.raises(WeightsError, match="cannot be read"):
        FaceModel.load(copy_of_model)


def test_embedded_model_holds_bytes_and_stays_small() -> None:
    with resources.as_file(resources.files("facesearch") / "assets" / "people.npz") as path:
        assert path.stat().st_size <= 4 * 2**20
        with np.load(path, allow_pickle=False) as archive:
            assert archive["components"].dtype == np.int8
            assert archive["mean"].dtype == np.uint8


@pytest.mark.slow
@pytest.mark.parametrize("model", ["mobilefacenet", "dlib-resnet"])
def test_people_are_told_apart_by_every_included_encoder(model: str) -> None:
    encoder, detector = load_encoder(model), FaceDetector()
    crop, crops, owners, missed = find_crop(encoder.crop), list[NDArray[np.uint8]](), list[int](), 0
    people = draw_people(80, seed=3)
    for number, person in enumerate(people):
        for shot in range(2):
            photo = take_photo(person, shot)
            if faces := detector.detect(photo):
                crops.append(crop.cut(photo, most_prominent(faces, *photo.shape[:2])))
                owners.append(number)
            else:
                missed += 1
    assert missed <= 0.01 * 2 * len(people)
    templates = encoder.encode(np.stack(crops))
    similarity = templates @ templates.T
    np.fill_diagonal(similarity, -1)
    who = np.array(owners)
    assert (who[similarity.argmax(axis=1)] == who).mean() >= 0.99


def test_people_differ_in_age_and_skin() -> None:
    people = draw_people(200)
    children = [person for person in people if person.youth]
    assert 8 <= len(children) <= 40
    assert np.ptp([person.skin for person in people]) > 0.9
    light, dark = (min(people, key=lambda person: abs(person.skin - skin)) for skin in (0.0, 1.0))
    bright, dim = (
        np.mean([take_photo(person, shot)[120:200, 120:200].mean() for shot in range(8)]) for person in (light, dark)
    )
    assert bright > 1.2 * dim
