from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from command_line import Command

from facesearch import Gallery
from facesearch.photos.sources import from_paths


@pytest.fixture(scope="session")
def gallery_once(people_photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("commands") / "gallery"
    photos = [photo for photo in from_paths([people_photos]).photos if not photo.path.stem.endswith("3")]
    with Gallery.open(folder) as gallery:
        gallery.enroll_photos(photos)
    return folder


@pytest.fixture
def gallery(gallery_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The default gallery, with two photos of each of the people."""
    folder = Path(shutil.copytree(gallery_once, tmp_path / "gallery"))
    monkeypatch.setenv("FACESEARCH_GALLERY", str(folder))
    return folder


@pytest.fixture
def people(people_photos: Path) -> list[Path]:
    """Everybody's folder, by name."""
    return sorted(people_photos.iterdir())


@pytest.fixture
def ada_and_zoe(people: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, facesearch: Command) -> Path:
    """Folders of Ada and Zoe, with the first photo of two of the people as 1.jpg, enrolled in the default gallery."""
    monkeypatch.setenv("FACESEARCH_GALLERY", str(tmp_path / "gallery"))
    root = tmp_path / "p"
    for name, person in zip(("Ada", "Zoe"), people, strict=False):
        (root / name).mkdir(parents=True)
        shutil.copy(sorted(person.iterdir())[0], root / name / "1.jpg")
    assert facesearch("enroll", root).status == 0
    return root


@pytest.fixture
def wall(tmp_path: Path) -> Path:
    """A photo without a face."""
    from PIL import Image

    Image.new("RGB", (200, 200), (90, 90, 90)).save(tmp_path / "wall.png")
    return tmp_path / "wall.png"
