"""A photo that asks for too much memory or time costs itself alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from facesearch import Gallery, Photo
from facesearch.encoders import DEFAULT_MODEL
from facesearch.errors import NoFaceError, RejectedImageError, UnreadableImageError
from facesearch.faces import Face, FaceDetector
from facesearch.pipeline.finding import check_pixels, within_memory
from facesearch.pipeline.pipeline_spec import PipelineSpec
from facesearch.pipeline.tasks import subject
from facesearch.pipeline.worker_pool import WorkerPool

RGB = npt.NDArray[np.uint8]


@pytest.mark.parametrize(
    "error",
    [MemoryError(), RuntimeError("std::bad_alloc"), Exception("Failed to allocate memory for requested buffer")],
)
def test_running_out_of_memory_rejects_the_photo(error: Exception) -> None:
    with pytest.raises(UnreadableImageError, match="not enough memory"), within_memory():
        raise error


@pytest.mark.parametrize("error", [ValueError("shape"), NoFaceError("no face found"), KeyboardInterrupt()])
def test_other_errors_stay_what_they_are(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught, within_memory():
        raise error
    assert caught.value is error


def test_pixels_beyond_the_limit_are_rejected_as_files_are() -> None:
    with pytest.raises(UnreadableImageError, match="more than 89 megapixels"):
        check_pixels(np.broadcast_to(np.uint8(0), (10_000, 10_000, 3)))


@pytest.fixture
def short_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """The search for faces runs out of memory in pictures of 333 pixels width."""
    detect = FaceDetector.detect

    def limited(self: FaceDetector, image: RGB, min_face: int | None = None) -> list[Face]:
        if image.shape[1] == 333:
            raise MemoryError
        return detect(self, image, min_face)

    monkeypatch.setattr(FaceDetector, "detect", limited)


@pytest.mark.usefixtures("short_of_memory")
def test_the_others_of_a_batch_go_on(people_photos: Path, tmp_path: Path) -> None:
    good = sorted(people_photos.glob("*/*.jpg"))[:2]
    large = np.zeros((100, 333, 3), np.uint8)
    with Gallery.open(tmp_path / "gallery") as gallery:
        report = gallery.enroll("Ann", [good[0], large, good[1]])
        assert report.templates == 2
        assert [item.reason for item in report.rejected] == ["not enough memory for this photo"]
        first, rejected, last = gallery.identify_photos([good[0], large, good[1]])
        assert isinstance(rejected, UnreadableImageError)
        assert not isinstance(first, RejectedImageError)
        assert not isinstance(last, RejectedImageError)
        with pytest.raises(UnreadableImageError, match="not enough memory"):
            gallery.verify(good[0], large)


def test_strips_and_screenshots_are_rejected_beside_good_photos(people_photos: Path, tmp_path: Path) -> None:
    good = min(people_photos.glob("*/*.jpg"))
    strip, screenshot = np.full((10, 400_000, 3), 90, np.uint8), np.full((4000, 200, 3), 90, np.uint8)
    with Gallery.open(tmp_path / "gallery") as gallery:
        report = gallery.enroll_photos([Photo.of("Ann", image, 1) for image in (strip, good, screenshot)])
    assert report.templates == 1
    assert [item.reason for item in report.rejected] == ["no face found", "no face found"]


def test_a_worker_that_takes_too_long_costs_one_photo(people_photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = min(people_photos.glob("*/*.jpg"))
    with WorkerPool(1, subject(PipelineSpec(encoder=DEFAULT_MODEL))) as pool:
        monkeypatch.setattr("facesearch.pipeline.worker_pool.MOST_SECONDS", 0.01)
        with pytest.raises(UnreadableImageError, match="takes too long"):
            pool.ask(good)
        monkeypatch.undo()
        assert pool.ask(good).width > 0


def test_a_worker_that_cannot_be_replaced_is_tried_again(people_photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = min(people_photos.glob("*/*.jpg"))

    def refuse(self: WorkerPool[object]) -> None:
        raise OSError(12, "Cannot allocate memory")

    with WorkerPool(1, subject(PipelineSpec(encoder=DEFAULT_MODEL))) as pool:
        pool._all[0].kill()
        with monkeypatch.context() as patched:
            patched.setattr(WorkerPool, "_start", refuse)
            for _ in range(2):
                with pytest.raises(UnreadableImageError, match="failed"):
                    pool.ask(good)
        with pytest.raises(UnreadableImageError, match="failed"):
            pool.ask(good)
        assert pool.ask(good).width > 0
