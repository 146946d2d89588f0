"""Enrolment of many photos by several processes."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from facesearch import Gallery, Photo
from facesearch.encoders import load_encoder
from facesearch.errors import EncoderMismatchError, FacesearchError, RejectedImageError, UnreadableImageError
from facesearch.photos.decoding import load_image
from facesearch.pipeline.pipeline import PhotoTemplate, Pipeline
from facesearch.pipeline.pipeline_spec import PipelineSpec
from facesearch.pipeline.tasks import Task, everyone, subject
from facesearch.pipeline.worker_pool import WorkerPool
from facesearch.workshop.sample_people import draw_people, write_photos

ENCODER = "dlib-resnet:fp32@onnx"


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_photos(tmp_path_factory.mktemp("crowd"), draw_people(4), 2)


def test_a_worker_gives_the_template_that_this_process_gives(photos: list[Path]) -> None:
    here = Pipeline(load_encoder(ENCODER, threads=1), threads=1)
    with WorkerPool(1, subject(PipelineSpec(encoder=ENCODER))) as pool:
        for path in photos[:2]:
            mine, theirs = here.file(path), pool.ask(path)
            np.testing.assert_allclose(theirs.face.template, mine.face.template, atol=1e-6)
            assert theirs.face.box == pytest.approx(mine.face.box)
            assert (theirs.sha256, theirs.width, theirs.height) == (mine.sha256, mine.width, mine.height)


def test_a_worker_gives_all_faces_with_what_makes_them_poor(photos: list[Path], tmp_path: Path) -> None:
    here = Pipeline(load_encoder(ENCODER, threads=1), threads=1)
    poor, wall = tmp_path / "poor.png", tmp_path / "wall.png"
    with Image.open(photos[0]) as image:
        image.filter(ImageFilter.GaussianBlur(9)).save(poor)
    Image.new("RGB", (99, 99)).save(wall)
    with WorkerPool(1, everyone(PipelineSpec(encoder=ENCODER))) as pool:
        (mine,), (theirs,) = here.everyone(load_image(poor)), pool.ask(poor).faces
        assert (theirs.poor, theirs.reasons) == (True, mine.reasons) and mine.poor
        nobody = pool.ask(wall)
        assert (nobody.faces, nobody.faceless, nobody.width) == ([], "no face found", 99)


def test_a_worker_rejects_with_the_reason_and_goes_on(photos: list[Path], tmp_path: Path) -> None:
    bad = tmp_path / "text.jpg"
    bad.write_text("no photo")
    with WorkerPool(1, subject(PipelineSpec(encoder=ENCODER))) as pool:
        with pytest.raises(RejectedImageError, match="not an image"):
            pool.ask(bad)
        with pytest.raises(RejectedImageError, match="no such file"):
            pool.ask(tmp_path / "miss\udc80ing.jpg")
        assert pool.ask(photos[0]).face.quality > 0


def test_a_worker_that_dies_costs_one_photo_and_is_replaced(photos: list[Path]) -> None:
    with WorkerPool(1, subject(PipelineSpec(encoder=ENCODER))) as pool:
        pool.ask(photos[0])
        os.kill(pool._all[0].pid, signal.SIGKILL)
        pool._all[0].wait()
        with pytest.raises(UnreadableImageError, match="process"):
            pool.ask(photos[1])
        assert pool.ask(photos[1]).face.quality > 0
    assert all(process.poll() is not None for process in pool._all)


def test_many_photos_are_enrolled_by_processes_as_they_are_by_threads(
    photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[int] = []

    class Counted(WorkerPool[PhotoTemplate]):
        def __init__(self, count: int, task: Task[PhotoTemplate]) -> None:
            started.append(count)
            super().__init__(count, task)

    monkeypatch.setattr("facesearch.pipeline.many_photos.WorkerPool", Counted)
    wanted = [Photo(path.parent.name, path) for path in photos]
    with Gallery.open(tmp_path / "threads") as gallery:
        gallery.enroll_photos(wanted, workers=2)
        by_threads = [gallery.identify(path).candidates for path in photos]
    assert not started
    monkeypatch.setattr("facesearch.pipeline.many_photos.WORTH_PROCESSES", len(photos))
    with Gallery.open(tmp_path / "processes") as gallery:
        report = gallery.enroll_photos(wanted, workers=2)
        assert started == [2]
        assert report.templates == len(photos)
        assert [gallery.identify(path).candidates for path in photos] == by_threads
        assert gallery.enroll_photos(wanted, workers=2).skipped == len(photos)
    assert started == [2]  # nothing new: no process is started


def test_a_worker_with_other_weights_of_that_name_refuses_them_all(photos: list[Path]) -> None:
    spec = PipelineSpec(encoder=ENCODER, crop="dlib-chip", fingerprint="0" * 64)
    with WorkerPool(1, subject(spec)) as pool:
        for path in photos[:2]:
            with pytest.raises(EncoderMismatchError, match=r"dlib-resnet.* here is another one .*not 000000000000"):
                pool.ask(path)
    with (
        WorkerPool(1, subject(PipelineSpec(encoder="nobodys"))) as pool,
        pytest.raises(FacesearchError, match="nobody"),
    ):
        pool.ask(photos[0])
