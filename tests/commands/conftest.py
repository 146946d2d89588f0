from __future__ import annotations

import logging
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from facesearch import Gallery
from facesearch.commands.app import run
from facesearch.sources import from_paths


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command left: exit status, standard output, standard error."""

    status: int
    out: str
    err: str


Command = Callable[..., Outcome]


@pytest.fixture
def facesearch(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Command]:
    """Runs a command line in this process as the installed program does."""

    def call(*words: Any) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["facesearch", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            run()
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        status = left.value.code
        assert isinstance(status, int)
        return Outcome(status, out, err)

    yield call
    logger = logging.getLogger("facesearch")
    logger.handlers.clear()
    logger.propagate = True
    logger.setLevel(logging.NOTSET)


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
def wall(tmp_path: Path) -> Path:
    """A photo without a face."""
    from PIL import Image

    Image.new("RGB", (200, 200), (90, 90, 90)).save(tmp_path / "wall.png")
    return tmp_path / "wall.png"
