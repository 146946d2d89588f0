"""What all tests share: the user's data is out of reach; synthetic people; real photos where they are at hand."""

from __future__ import annotations

import itertools
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import Command, Outcome

from facesearch.commands.app import run
from facesearch.workshop.sample_people import draw_people, write_photos

PEOPLE = 12
PHOTOS_PER_PERSON = 3

_homes = itertools.count()


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes what belongs to the user who runs it, nor what another test left behind."""
    home = tmp_path_factory.getbasetemp() / "homes" / str(next(_homes))
    monkeypatch.setenv("FACESEARCH_HOME", str(home))
    monkeypatch.setenv("FACESEARCH_GALLERY", str(home / "gallery"))


@pytest.fixture(autouse=True)
def own_log() -> Iterator[None]:
    """What a test, or a command that ran in this process, did to the package's log ends with that test."""
    logger = logging.getLogger("facesearch")
    before = logger.handlers[:], logger.propagate, logger.level
    yield
    logger.handlers[:], logger.propagate = before[:2]
    logger.setLevel(before[2])


@pytest.fixture
def facesearch(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
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

    return call


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
