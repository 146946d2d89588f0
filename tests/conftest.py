"""What all tests share: the user's data is out of reach; synthetic people; real photos where they are at hand."""

from __future__ import annotations

import os

if "PYTEST_XDIST_WORKER" in os.environ:  # its processes share the cores already
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import itertools
import logging
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from command_line import Command, Outcome
from needed import HOW, needed
from postgres_server import new_gallery, running_server

from benchmarks.faults.network import Network
from facesearch.commands.app import run
from facesearch.store.postgresql import rewriting
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
def postgresql_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a database on a server of this run's own."""
    own = tmp_path_factory.getbasetemp()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rewriting, "EARLIER_SECONDS", 30.0)  # other tests have transactions of their own
        with running_server(own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) as url:
            yield url


@pytest.fixture
def gallery_url(postgresql_server: str) -> str:
    """The URL of a gallery on that server which nobody has used yet."""
    return new_gallery(postgresql_server)


@pytest.fixture
def network(postgresql_server: str) -> Iterator[Network]:
    """What lies between that server and who reaches it at `network.port`."""
    folder = psycopg.conninfo.conninfo_to_dict(postgresql_server)["host"]
    with Network(next(Path(str(folder)).glob(".s.PGSQL.*[0-9]"))) as between:
        yield between


@pytest.fixture(scope="session")
def people_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photos of synthetic people, laid out as `<identity>/<identity>_0001.jpg`."""
    folder = tmp_path_factory.mktemp("people")
    write_photos(folder, draw_people(PEOPLE), PHOTOS_PER_PERSON)
    return folder


@pytest.fixture(scope="session")
def lfw() -> Path:
    """Labeled Faces in the Wild, deep-funneled: `<identity>/<image>.jpg`."""
    return needed("lfw_deepfunneled")


@pytest.fixture(scope="session")
def utkface() -> Path:
    """A folder of cropped faces without identities."""
    return needed("utkface/unlabelled")


@pytest.fixture(scope="session")
def deepface_pairs() -> Path:
    """Photos as people take them, in the folder `images`."""
    return needed("deepface_pairs")


@pytest.fixture(scope="session")
def trained_edgeface() -> Path:
    """Trained weights of EdgeFace-XXS."""
    return needed("../weights/edgeface_xxs.safetensors")


@pytest.fixture(scope="session")
def trained_weights() -> Path:
    """The folder of trained weights."""
    return needed("../weights")


_DATA = {"lfw", "utkface", "deepface_pairs", "trained_edgeface", "trained_weights"}


# Files of few tests that take long: begun last, they would leave the other process without work at the end.
_BEGUN_FIRST = {
    "test_mtcnn_agreement.py",
    "test_demo.py",
    "test_gaps.py",
    "test_gallery_processes.py",
    "test_damage.py",
    "test_threads_and_processes.py",
    "test_family_export.py",
    "test_lowbit_networks.py",
    "test_soak.py",
    "test_evaluation_datasets.py",
    "test_documentation.py",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that need real photos or trained weights have the mark `data`; files that take long come first, then those
    of most tests."""
    for item in items:
        if isinstance(item, pytest.Function) and _DATA & set(item.fixturenames):
            item.add_marker(pytest.mark.data)
    tests = Counter(item.path for item in items)
    items.sort(key=lambda item: (item.path.name not in _BEGUN_FIRST, -tests[item.path]))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say how many tests were left out, and how to run them."""
    skipped = [each for each in terminalreporter.stats.get("skipped", []) if HOW in str(each.longrepr)]
    if skipped:
        terminalreporter.write_line(f"{len(skipped)} skipped: they need real photos or trained weights; {HOW}")
