from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from facesearch import Gallery
from facesearch.photos.photo import Photo
from facesearch.photos.sources import from_paths

from .on_server import Server, copy_gallery

ON_SERVER = {
    "test_compact_templates",
    "test_corrections",
    "test_forgetting",
    "test_forgetting_elsewhere",
    "test_groups",
    "test_identification",
    "test_lost_index",
    "test_negatives",
    "test_overtaken",
    "test_ready_templates",
    "test_suspecting",
    "test_template_index",
    "test_thinning",
    "test_unknown_faces",
}
ENROLLED = 2  # of a person's three photos; the last one is the probe


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every test runs with a gallery in a folder, and unless it is marked `folder`, with one on a server: those of the
    files below always, the others among the slow ones. Those marked `server` run with one on a server alone."""
    marks = {mark.name for mark in metafunc.definition.iter_markers()}
    on_server = pytest.param("server", marks=() if metafunc.definition.path.stem in ON_SERVER else pytest.mark.slow)
    engines = ["server"] if "server" in marks else ["folder", *([] if "folder" in marks else [on_server])]
    metafunc.parametrize("server", engines, indirect=True, scope="module")


@pytest.fixture(scope="session")
def _servers(postgresql_server: str) -> Server:
    return Server(postgresql_server)


@pytest.fixture(autouse=True, scope="module")
def server(request: pytest.FixtureRequest) -> Iterator[Server | None]:
    """Where the galleries of these tests are; None: in folders."""
    if request.param == "folder":
        yield None
        return
    found: Server = request.getfixturevalue("_servers")
    with pytest.MonkeyPatch.context() as patch:
        found.put_in_place(patch, request.module)
        yield found


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


@pytest.fixture(scope="session")
def _enrolled_on_server(_servers: Server, known: list[Photo], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("enrolled-on-server") / "gallery"
    with pytest.MonkeyPatch.context() as patch:
        _servers.put_in_place(patch)
        with Gallery.open(folder) as gallery:
            gallery.enroll_photos(known)
    return folder


@pytest.fixture
def enrolled(request: pytest.FixtureRequest, server: Server | None, tmp_path: Path) -> Path:
    """The folder of a gallery of everybody, for this test alone."""
    once = request.getfixturevalue("enrolled_once" if server is None else "_enrolled_on_server")
    return copy_gallery(once, tmp_path / "gallery", server)


@pytest.fixture
def everybody(enrolled: Path) -> Iterator[Gallery]:
    """That gallery, open."""
    with Gallery.open(enrolled) as gallery:
        yield gallery
