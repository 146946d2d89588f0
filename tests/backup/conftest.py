from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from gallery.doubles import store_templates, unit_vectors

from facesearch import Gallery

PEOPLE = [f"person {n // 2}" for n in range(600)]
Answers = list[list[tuple[str, float, int]]]


@pytest.fixture(scope="session")
def vectors() -> np.ndarray:
    return unit_vectors(len(PEOPLE))


@pytest.fixture(scope="session")
def gallery_once(vectors: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("backup") / "gallery"
    store_templates(folder, PEOPLE, vectors, kind="sq8", codec="int8")
    with Gallery.open(folder) as gallery:
        gallery.build_index()
    return folder


@pytest.fixture
def folder(gallery_once: Path, tmp_path: Path) -> Path:
    """The folder of a gallery of 300 people with two templates each."""
    return Path(shutil.copytree(gallery_once, tmp_path / "gallery"))


@pytest.fixture(scope="session")
def archive_once(gallery_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("archive") / "backup.zip"
    with Gallery.open(shutil.copytree(gallery_once, path.with_name("gallery"))) as gallery:
        gallery.backup(path)
    return path


@pytest.fixture
def archive(archive_once: Path, tmp_path: Path) -> Path:
    """A backup of that gallery."""
    return Path(shutil.copyfile(archive_once, tmp_path / "backup.zip"))


@pytest.fixture(scope="session")
def asked(vectors: np.ndarray) -> Callable[[Path], Answers]:
    """What a gallery answers to some probes."""
    probes = (vectors[::40] + 0.1 * unit_vectors(15, seed=1)).astype(np.float32)

    def ask(folder: Path) -> Answers:
        with Gallery.open(folder, create=False) as gallery:
            found = gallery.search(probes, 5)
        return [[(each.identity, each.similarity, each.template_id) for each in candidates] for candidates in found]

    return ask
