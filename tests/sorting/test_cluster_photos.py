"""Faces of photos in clusters: which photos count, and what is told of them."""

from __future__ import annotations

import csv
import io
import shutil
from pathlib import Path

import numpy as np
import pytest

from facesearch import PhotoClusters, UsageError, cluster_photos, load_encoder
from facesearch.pipeline import many_photos
from facesearch.pipeline.pipeline import PhotoFaces
from facesearch.pipeline.tasks import Task
from facesearch.pipeline.worker_pool import WorkerPool
from facesearch.sorting import by_person


def test_each_persons_photos_are_a_cluster_and_who_is_there_once_is_alone(clustered: PhotoClusters) -> None:
    together = [{face.path.parent.name if face.number == 1 else "" for face in each} for each in clustered.clusters()]
    sizes = [len(each) for each in clustered.clusters()]
    assert sizes == [3, 3, 2]  # two of them are also in the photo of both
    assert all(len(names - {"photos", ""}) == 1 for names in together)
    assert [face.path.parent.parent.name for face in clustered.alone()] == ["once"]


def test_a_photo_of_two_people_is_in_two_clusters(clustered: PhotoClusters) -> None:
    both = [face for face in clustered.faces if face.path.name == "both.png"]
    assert [face.number for face in both] == [1, 2]
    assert {face.cluster for face in both} == {1, 2}


def test_what_does_not_count_is_told_with_the_reason(clustered: PhotoClusters, crowd: Path) -> None:
    assert [Path(item.path).name for item in clustered.rejected] == ["torn.jpg"]
    assert "truncated" in clustered.rejected[0].reason
    assert [Path(item.path).name for item in clustered.faceless] == ["wall.png"]
    ((copy, first),) = clustered.copies.items()
    assert Path(copy).name == "copy.jpg"
    assert Path(first).read_bytes() == Path(copy).read_bytes()
    assert clustered.left_out == {".txt": 1}
    assert clustered.photos == 6 + 1 + 1 + 1 + 1 + 1


def test_the_document_and_the_table_say_the_same(clustered: PhotoClusters) -> None:
    document = clustered.document()
    rows = list(csv.DictReader(io.StringIO(clustered.csv())))
    assert list(rows[0]) == ["path", "face", "x", "y", "width", "height", "quality", "cluster"]
    assert len(rows) == len(document["faces"]) == 9
    for row, face in zip(rows, document["faces"], strict=True):
        assert row["path"] == face["path"]
        assert [float(row[name]) for name in ("x", "y", "width", "height")] == face["box"]
        assert row["cluster"] == ("" if face["cluster"] is None else str(face["cluster"]))
    assert document["clusters"] == 3


def test_processes_find_the_faces_that_this_process_finds(
    clustered: PhotoClusters, crowd: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[int] = []

    class Counted(WorkerPool[PhotoFaces]):
        def __init__(self, count: int, task: Task[PhotoFaces]) -> None:
            started.append(count)
            super().__init__(count, task)

    monkeypatch.setattr(many_photos, "WorkerPool", Counted)
    monkeypatch.setattr(many_photos, "WORTH_PROCESSES", 3)
    found = cluster_photos(crowd, threshold=clustered.threshold, workers=2)
    assert started == [2]
    assert [face.cluster for face in found.faces] == [face.cluster for face in clustered.faces]
    for mine, theirs in zip(clustered.faces, found.faces, strict=True):
        np.testing.assert_allclose(mine.box, theirs.box, atol=1e-3)
    assert (found.rejected, found.faceless) == (clustered.rejected, clustered.faceless)


def test_an_encoder_that_was_loaded_is_used_as_it_is(crowd: Path) -> None:
    encoder = load_encoder("dlib-resnet")
    found = cluster_photos([crowd / "both.png"], encoder=encoder, workers=2)
    assert (found.encoder, found.threshold) == (str(encoder.spec), encoder.threshold)
    assert len(found.faces) == 2


def test_one_photo_of_one_person_is_alone(crowd: Path) -> None:
    found = cluster_photos(next((crowd / "once").glob("*/*.jpg")))
    assert (found.clusters(), len(found.alone())) == ([], 1)


def test_the_same_photo_named_twice_is_no_copy(crowd: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(crowd)
    found = cluster_photos(["wall.png", crowd / "wall.png", "."], min_face=100)
    assert list(found.copies) == ["zz/copy.jpg"]
    assert found.photos == 11


def test_two_copies_in_a_group_of_links_count_once(crowd: Path, tmp_path: Path) -> None:
    (tmp_path / "a.png").symlink_to(crowd / "both.png")
    (tmp_path / "b.png").hardlink_to(shutil.copy(crowd / "both.png", tmp_path / ".hidden.png"))
    found = cluster_photos(tmp_path, threshold=0.0)
    assert found.copies == {str(tmp_path / "b.png"): str(tmp_path / "a.png")}
    assert all(face.cluster is None for face in found.faces)  # even so, two faces of one photo are two people


@pytest.mark.parametrize(
    ("photos", "wrong"),
    [("missing", "no such file"), ("-", "standard input|in files"), ("https://x.org/a.jpg", "URL"), ([], "no photos")],
)
def test_what_are_no_photos_is_said_in_a_line(photos: str, wrong: str) -> None:
    with pytest.raises(UsageError, match=wrong):
        cluster_photos(photos)


@pytest.mark.parametrize(
    "argument",
    [{"threshold": 1.5}, {"threshold": float("nan")}, {"min_face": 0}, {"workers": 0}, {"encoder": "nobody"}],
)
def test_an_argument_out_of_range_is_refused_before_photos_are_read(
    crowd: Path, argument: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(by_person, "every_face", lambda *_, **__: pytest.fail("photos were read"))
    with pytest.raises(UsageError):
        cluster_photos(crowd, **argument)  # type: ignore[arg-type]


def test_a_folder_without_photos_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(UsageError, match="holds no photos"):
        cluster_photos(tmp_path)
