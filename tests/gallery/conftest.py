from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from facesearch import Gallery
from facesearch.photos.photo import Photo
from facesearch.photos.sources import from_paths

ENROLLED = 2  # of a person's three photos; the last one is the probe


@pytest.fixture(scope="session")
def known(people_photos: Path) -> list[Photo]:
    """The photos to enrol, two per person."""
    return [photo for photo in from_paths([people_photos]).photos if not photo.path.stem.endswith("3")]


@pytest.fixture(scope="session")
def probes(people_photos: Path) -> list[Photo]:
    """One more photo of each person."""
    return [photo for photo in from_paths([people_photos]).photos if photo.path.stem.endswith("3")]


@pytest.fixture(scope="session")
def enrolled_once(known: list[Photo], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("enrolled") / "gallery"
    with Gallery.open(folder) as gallery:
        gallery.enroll_photos(known)
    return folder


@pytest.fixture
def enrolled(enrolled_once: Path, tmp_path: Path) -> Path:
    """The folder of a gallery of everybody, for this test alone."""
    return Path(shutil.copytree(enrolled_once, tmp_path / "gallery"))


@pytest.fixture
def everybody(enrolled: Path) -> Iterator[Gallery]:
    """That gallery, open."""
    with Gallery.open(enrolled) as gallery:
        yield gallery
