from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from facesearch.store import GalleryStore, SqliteStore, SqlStore, open_on_server, open_store


@pytest.fixture(params=["memory", "file", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[GalleryStore]:
    """An empty store: in memory, on disk, and on a server."""
    if request.param == "postgresql":
        with open_on_server(request.getfixturevalue("gallery_url")) as opened:
            yield opened
    else:
        with open_store("sqlite://" if request.param == "memory" else tmp_path / "gallery") as opened:
            yield opened


@pytest.fixture(params=["file", "postgresql"])
def opening(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., SqlStore]:
    """Opens the store of one new gallery, on disk and on a server, as often as it is called."""
    if request.param == "postgresql":
        return partial(open_on_server, request.getfixturevalue("gallery_url"))
    return partial(open_store, tmp_path / "gallery")


@pytest.fixture
def kept(opening: Callable[..., SqlStore]) -> Iterator[SqlStore]:
    """An empty store, open, on disk and on a server: others can get at its rows."""
    with opening() as opened:
        yield opened


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SqliteStore]:
    """An empty store on disk, in tmp_path / "gallery"."""
    with open_store(tmp_path / "gallery") as opened:
        yield opened
