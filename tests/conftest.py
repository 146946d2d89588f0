"""What all tests share: the user's data is out of reach; synthetic people; real photos where they are at hand."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest

from facesearch.synthetic import draw_people, write_photos

PEOPLE = 12
PHOTOS_PER_PERSON = 3

_homes = itertools.count()


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes what belongs to the user who runs it, nor what another test left behind."""
    home = tmp_path_factory.getbasetemp() / "homes" / str(next(_homes))
    monkeypatch.setenv("FACESEARCH_HOME", str(home))
    monkeypatch.setenv("FACESEARCH_GALLERY", str(home / "gallery"))


@pytest.fixture(scope="session")
def people_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photos of synthetic people, laid out as `<identity>/<identity>_0001.jpg`."""
    folder = tmp_path_factory.mktemp("people")
    write_photos(folder, draw_people(PEOPLE), PHOTOS_PER_PERSON)
    return folder


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real photos that the project does not contain."""
    folder = os.environ.get("FACESEARCH_TEST_DATA")
    if not folder:
        pytest.skip("needs real photos: set FACESEARCH_TEST_DATA to the folder that has them")
    return Path(folder)


@pytest.fixture(scope="session")
def lfw(test_data: Path) -> Path:
    """Labeled Faces in the Wild, deep-funneled: `<identity>/<image>.jpg`."""
    return _part(test_data, "lfw_deepfunneled")


@pytest.fixture(scope="session")
def utkface(test_data: Path) -> Path:
    """A folder of cropped faces without identities."""
    return _part(test_data, "utkface/unlabelled")


@pytest.fixture(scope="session")
def deepface_pairs(test_data: Path) -> Path:
    """Photos as people take them, in the folder `images`."""
    return _part(test_data, "deepface_pairs")


def _part(test_data: Path, name: str) -> Path:
    folder = test_data / name
    if not folder.is_dir():
        pytest.skip(f"needs {name}, which FACESEARCH_TEST_DATA does not have")
    return folder
