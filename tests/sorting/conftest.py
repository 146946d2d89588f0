from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from facesearch import PhotoClusters, cluster_photos
from facesearch.workshop.sample_people import draw_people, group_photo, write_photos

ALIKE = 0.7  # from here on two photos of drawn people, who are more alike than people are, are of one


@pytest.fixture(scope="session")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two photos of each of three people, one of two of them together, a copy, and what shows nobody."""
    folder = tmp_path_factory.mktemp("crowd") / "photos"
    people = draw_people(4)
    write_photos(folder, people[:3], 2)
    Image.fromarray(group_photo(people[:2], 3)).save(folder / "both.png")
    write_photos(folder / "once", people[3:], 1)
    first = min(folder.glob("*/*.jpg"))
    (folder / "zz").mkdir()
    shutil.copy(first, folder / "zz" / "copy.jpg")
    Image.new("RGB", (200, 200), (90, 90, 90)).save(folder / "wall.png")
    (folder / "torn.jpg").write_bytes(first.read_bytes()[:500])
    (folder / "notes.txt").write_text("met in May")
    return folder


@pytest.fixture(scope="session")
def clustered(crowd: Path) -> PhotoClusters:
    return cluster_photos(crowd, threshold=ALIKE)
