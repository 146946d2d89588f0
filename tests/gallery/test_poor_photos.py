"""Photos that would poison a gallery are not enrolled; doubtful ones are named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from facesearch import Gallery, Photo
from facesearch.errors import UsageError


def blurred(photo: Photo, radius: float) -> Image.Image:
    return Image.open(photo.path).convert("RGB").filter(ImageFilter.GaussianBlur(radius))


def test_a_blurred_photo_is_rejected_and_takes_no_strangers(
    known: list[Photo], probes: list[Photo], tmp_path: Path
) -> None:
    with Gallery.open(tmp_path / "g") as gallery:
        gallery.enroll_photos(known[:20])
        report = gallery.enroll("Poor", blurred(known[-1], 10))
        assert report.templates == 0
        (rejected,) = report.rejected
        assert rejected.reason.startswith("the face is too blurred, or enlarged from too few pixels: sharpness 0.")
        assert "Poor" not in {summary.name for summary in gallery.identities()}
        for answers in gallery.identify_photos([blurred(photo, 10) for photo in probes[12:22]]):
            assert not isinstance(answers, Exception)
            assert all(answer.candidates[0].identity != "Poor" for answer in answers)


def test_it_is_enrolled_where_quality_is_off(known: list[Photo], tmp_path: Path) -> None:
    with Gallery.open(tmp_path / "g", quality="off") as gallery:
        assert gallery.enroll("Poor", blurred(known[0], 10)).templates == 1


def test_a_somewhat_blurred_photo_is_enrolled_and_named(known: list[Photo], tmp_path: Path) -> None:
    with Gallery.open(tmp_path / "g") as gallery:
        for radius in np.arange(3, 10, 0.25):
            report = gallery.enroll("Ada", blurred(known[0], float(radius)))
            if report.doubtful:
                break
        assert report.templates == 1
        ((path, reason),) = report.doubtful.items()
        assert reason.startswith("somewhat blurred: sharpness 0.")
        assert report.document()["doubtful"] == [{"path": path, "reason": reason, "reasons": ["LOW_SHARPNESS"]}]


def test_a_sharp_photo_is_not_doubtful(known: list[Photo], tmp_path: Path) -> None:
    with Gallery.open(tmp_path / "g") as gallery:
        report = gallery.enroll_photos(known[:20])
        assert (report.templates, report.doubtful, report.rejected) == (20, {}, [])


def test_worker_processes_reject_and_doubt_alike(
    known: list[Photo], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facesearch.pipeline.many_photos.WORTH_PROCESSES", 2)
    for number, radius in enumerate((0.0, 10.0)):
        (tmp_path / "p" / "Ada").mkdir(parents=True, exist_ok=True)
        blurred(known[number], radius).save(tmp_path / "p" / "Ada" / f"{number}.png")
    with Gallery.open(tmp_path / "g") as gallery:
        report = gallery.enroll_photos(
            [Photo("Ada", path) for path in sorted((tmp_path / "p" / "Ada").iterdir())], workers=2
        )
        assert report.templates == 1
        assert report.rejected[0].reason.startswith("the face is too blurred")


def test_a_profile_that_there_is_not(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no profile of quality is named 'high'; there are: off, standard, strict"):
        Gallery.open(tmp_path / "g", quality="high")
    assert not (tmp_path / "g").exists()
