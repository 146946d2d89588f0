"""Enrolment by the workers of a Dask cluster, as by the processes of this machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from command_line import Command

from benchmarks.dask_cluster import DaskCluster, kill
from facesearch import Gallery, Photo
from facesearch.errors import ClusterError, EncoderMismatchError, UsageError
from facesearch.pipeline import dask_pool
from facesearch.pipeline.tasks import Task
from facesearch.workshop.sample_people import draw_people, write_photos

pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    with DaskCluster(tmp_path_factory.mktemp("dask")) as running:
        running.add_worker(threads=2)
        yield running


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Photo]:
    folder = tmp_path_factory.mktemp("crowd")
    return [Photo(path.parent.name, path) for path in write_photos(folder, draw_people(5), 4)]


@pytest.fixture(autouse=True)
def small_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_pool, "FEWEST_PHOTOS", 3)
    monkeypatch.setattr(dask_pool, "_LOOK_SECONDS", 0.2)


def candidates(gallery: Gallery, photos: list[Photo]) -> list[Any]:
    return [gallery.identify(photo.path).candidates for photo in photos]


def test_a_cluster_enrols_what_this_machine_would(cluster: DaskCluster, photos: list[Photo], tmp_path: Path) -> None:
    bad = tmp_path / "text.jpg"
    bad.write_text("no photo")
    gone = Photo("Nobody", tmp_path / "missing.jpg")
    wanted = [*photos[:3], Photo("Nobody", bad), gone, *photos[3:]]
    with Gallery.open(tmp_path / "here") as gallery:
        here = gallery.enroll_photos(wanted)
        expected = candidates(gallery, photos)
    with Gallery.open(tmp_path / "there") as gallery:
        there = gallery.enroll_photos(wanted, cluster=cluster.address)
        assert candidates(gallery, photos) == expected
        assert (there.templates, there.rejected) == (here.templates, here.rejected)
        assert there.templates == len(photos) and len(there.rejected) == 2
        again = gallery.enroll_photos(wanted, cluster=cluster.address)
        assert (again.templates, again.skipped) == (0, len(photos))
        nothing_new = gallery.enroll_photos(photos, cluster="tcp://127.0.0.1:1")  # where there is none: it is not asked
        assert nothing_new.skipped == len(photos)


def test_photos_that_workers_do_not_see_are_handed_over(
    cluster: DaskCluster, photos: list[Photo], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[bool] = []
    send = dask_pool.DaskPool._send

    def watched(self: Any, some: Any, asked: list[dict[str, str]]) -> None:
        sent.append("content" in asked[0])
        send(self, some, asked)

    monkeypatch.setattr(dask_pool.DaskPool, "_send", watched)
    monkeypatch.setattr(dask_pool, "_path", lambda asked: os.fspath(tmp_path / "elsewhere" / asked.photo.path.name))
    monkeypatch.setattr(dask_pool, "MOST_BYTES", 2 * photos[0].path.stat().st_size)  # two or three in a task
    with Gallery.open(tmp_path / "gallery") as gallery:
        assert gallery.enroll_photos(photos, cluster=cluster.address).templates == len(photos)
        assert all(
            found[0].identity == photo.identity
            for found, photo in zip(candidates(gallery, photos), photos, strict=True)
        )
    assert sent.count(True) > len(photos) / 3 - 1


def test_a_file_of_that_name_with_other_content_is_not_taken_for_the_photo(
    cluster: DaskCluster, photos: list[Photo], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_pool, "_path", lambda _: os.fspath(photos[0].path))  # what workers have under that name
    with Gallery.open(tmp_path / "gallery") as gallery:
        assert gallery.enroll_photos(photos, cluster=cluster.address).templates == len(photos)
        assert all(
            found[0].identity == photo.identity
            for found, photo in zip(candidates(gallery, photos), photos, strict=True)
        )


def test_a_dry_run_looks_at_photos_there_and_changes_nothing(
    cluster: DaskCluster, photos: list[Photo], tmp_path: Path
) -> None:
    with Gallery.open(tmp_path / "gallery") as gallery:
        gallery.enroll_photos(photos[:4])
        assert gallery.survey(photos, cluster=cluster.address).templates == len(photos) - 4
        assert gallery.counts().templates == 4


def test_another_version_on_the_workers_is_refused(
    cluster: DaskCluster, photos: list[Photo], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_pool, "__version__", "9.9")
    with (
        Gallery.open(tmp_path / "gallery") as gallery,
        pytest.raises(EncoderMismatchError, match=r"the worker tcp://.* has facesearch .*, not 9\.9"),
    ):
        gallery.enroll_photos(photos, cluster=cluster.address)


def test_a_worker_killed_in_the_middle_costs_nothing(photos: list[Photo], tmp_path: Path) -> None:
    with DaskCluster(tmp_path) as cluster, Gallery.open(tmp_path / "gallery") as gallery:
        first = cluster.add_worker()
        done: list[Photo] = []

        def committed(photo: Photo) -> None:
            if not done:
                cluster.add_worker()
                kill(first)
            done.append(photo)

        assert gallery.enroll_photos(photos, cluster=cluster.address, committed=committed).templates == len(photos)
        assert sorted(done, key=lambda photo: photo.path) == sorted(photos, key=lambda photo: photo.path)
        assert gallery.counts().templates == len(photos)


def test_what_is_enrolled_stays_where_the_cluster_goes(photos: list[Photo], tmp_path: Path) -> None:
    with Gallery.open(tmp_path / "gallery") as gallery:
        with DaskCluster(tmp_path) as cluster:
            cluster.add_worker()

            def progress(done: int, total: int) -> None:
                if done == 3:
                    kill(cluster.scheduler)

            with pytest.raises(ClusterError, match=r"the cluster tcp://.* is gone; what is enrolled stays"):
                gallery.enroll_photos(photos, cluster=cluster.address, progress=progress)
        assert gallery.counts().templates < len(photos)
        gallery.enroll_photos(photos)
        assert gallery.counts().templates == len(photos)


def test_a_cluster_without_workers_and_none_at_all_are_told_apart(
    tmp_path: Path, photos: list[Photo], monkeypatch: pytest.MonkeyPatch, facesearch: Command
) -> None:
    monkeypatch.setattr(dask_pool, "START_SECONDS", 2.0)
    with DaskCluster(tmp_path) as cluster:
        said = facesearch("enroll", photos[0].path.parent.parent, "--cluster", cluster.address)
        assert said.status == 1 and f"has no workers; start one with: dask worker {cluster.address}" in said.err
    said = facesearch("enroll", photos[0].path.parent.parent, "--cluster", cluster.address)
    assert said.status == 1 and f"no Dask scheduler answers at {cluster.address}" in said.err


@pytest.mark.parametrize("address", ["scheduler", "http://127.0.0.1:1", "tcp://", "tcp://127.0.0.1:x"])
def test_what_is_no_address_is_said_in_one_line(
    address: str, photos: list[Photo], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_pool, "START_SECONDS", 1.0)
    with Gallery.open(tmp_path / "gallery") as gallery, pytest.raises(ClusterError, match="no Dask scheduler answers"):
        gallery.enroll_photos(photos, cluster=address)


def test_without_the_extra_it_is_said_how_to_get_it(
    photos: list[Photo], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with Gallery.open(tmp_path / "gallery") as gallery, pytest.raises(UsageError, match=r"facesearch\[cluster\]"):
        gallery.enroll_photos(photos, cluster="tcp://127.0.0.1:1")


def test_options_that_do_not_go_together(facesearch: Command, tmp_path: Path) -> None:
    for words in (["--watch", tmp_path], ["--collect", tmp_path]):
        said = facesearch("enroll", *words, "--cluster", "tcp://127.0.0.1:1")
        assert said.status == 2 and "--cluster is for enrolling many photos" in said.err


class _Deadly:
    """A client of Dask whose workers die of one photo, whatever else is in the task."""

    status = "running"

    def __init__(self, photo: Path) -> None:
        self._photo, self.tasks = os.fspath(photo), 0

    def nthreads(self) -> dict[str, int]:
        return {"one": 1}

    def submit(self, function: Any, version: str, words: Any, photos: list[dict[str, str]], pure: bool) -> _Done:
        from distributed import KilledWorker

        self.tasks += 1
        deadly = any(each["path"] == self._photo for each in photos)
        cause: Any = self
        error = KilledWorker("task", cause, 3) if deadly else None
        return _Done([{"name": each["path"]} for each in photos], error)

    def cancel(self, tasks: list[Any]) -> None:
        assert not tasks

    def close(self, timeout: float) -> None:
        """Nothing to close."""


class _Done:
    def __init__(self, answers: list[dict[str, str]], error: Exception | None) -> None:
        self._answers, self._error = answers, error

    def add_done_callback(self, function: Callable[[Any], None]) -> None:
        function(self)

    def result(self, timeout: float) -> list[dict[str, str]]:
        if self._error:
            raise self._error
        return self._answers


def test_a_photo_that_workers_die_of_costs_that_photo(photos: list[Photo], monkeypatch: pytest.MonkeyPatch) -> None:
    client = _Deadly(photos[5].path)
    monkeypatch.setattr(dask_pool, "_connected", lambda _: client)
    pool = dask_pool.DaskPool("tcp://x", Task(("subject",), dict))
    said: list[Future[Any]] = pool.submit(photos[:16])
    answers = [each.result(timeout=0) for each in said]
    assert [answer.get("rejected") for answer in answers].count("the process that read this image failed") == 1
    assert "rejected" in answers[5]
    assert [answer["name"] for answer in answers if "name" in answer] == [
        os.fspath(photo.path) for photo in photos[:16] if photo is not photos[5]
    ]
    assert client.tasks <= 1 + 2 * 4
    pool.close()
