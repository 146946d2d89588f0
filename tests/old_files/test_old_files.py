"""What earlier versions wrote opens, answers as it did then, and goes on living."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.sharing.people import NoEncoder
from facesearch import Gallery
from facesearch.store import open_store
from indexes import load_index

ARCHIVE = Path(__file__).with_name("version-0.1.0.zip")
DIMENSION = 32
GALLERIES = ("flat", "sq8", "tcq16", "pca16-fs8_sq8", "pq8")
INDEXES = ("flat", "sq4", "opq4", "rabitq_sq8", "hnsw8", "ivf4-sq8", "pca16-fs4_tcq8")


def unit(count: int, seed: int) -> np.ndarray:
    x = np.random.default_rng(seed).normal(size=(count, DIMENSION))
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True), np.float32)


STORED, LATE = unit(300, 0), unit(1, 5)
PROBES = np.concatenate([STORED[::29], LATE])


class SmallEncoder(NoEncoder):
    dimension = DIMENSION


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """The files, in a folder of this test's own."""
    with zipfile.ZipFile(ARCHIVE) as archive:
        archive.extractall(tmp_path)
    return tmp_path


def _answers(old: Path) -> dict[str, Any]:
    answers: dict[str, Any] = json.loads((old / "answers.json").read_text(encoding="utf-8"))
    return answers


def _found(gallery: Gallery) -> list[list[list[Any]]]:
    return [[[each.identity, each.similarity, each.template_id] for each in row] for row in gallery.search(PROBES, 3)]


def _near(answers: list[Any]) -> list[Any]:
    """The same answers; similarities as another CPU may round them."""
    return [[[name, pytest.approx(score, abs=2e-5), number] for name, score, number in row] for row in answers]


@pytest.mark.parametrize(
    ("name", "traces"),
    [("flat", False), ("sq8", True), ("tcq16", True), ("pca16-fs8_sq8", True), ("pq8", True)],
)
def test_what_an_old_version_learnt_from_people_is_told_and_replaced(name: str, traces: bool, old: Path) -> None:
    with Gallery.open(old / f"gallery-{name}", encoder=SmallEncoder()) as gallery:
        assert gallery.forget("person 3").learnt_from_people is traces
        gallery.enroll_templates([f"new {number}" for number in range(30)], unit(30, 78))
        assert gallery.forget("new 3").learnt_from_people is traces  # what was added does not hide it
        gallery.build_index()
        assert gallery.forget("person 4").learnt_from_people is False
        assert gallery.search(unit(30, 78)[:1], 1)[0][0].identity == "new 0"
        assert gallery.check() == []


@pytest.mark.parametrize("name", GALLERIES)
def test_an_old_gallery_answers_as_it_did_and_can_be_changed(name: str, old: Path) -> None:
    wanted = _answers(old)[name]
    with Gallery.open(old / f"gallery-{name}", encoder=SmallEncoder()) as gallery:
        assert gallery.index_info().replayed == 1
        assert _found(gallery) == _near(wanted)
        assert gallery.threshold == pytest.approx(0.4)
        assert gallery.check() == []
        assert [event.action for event in gallery.parts.store.audit.events()][-1] in {"enroll", "backup"}
        gallery.enroll_templates(["new"], unit(1, 77))
        assert gallery.search(unit(1, 77), 1)[0][0].identity == "new"
        receipt = gallery.forget("person 3")
        assert (receipt.templates, receipt.index_rewritten, receipt.wiped) == (2, True, True)
        assert "person 3" not in {each.identity for row in gallery.search(STORED[6:8], 100) for each in row}
        assert gallery.check() == []
        gallery.compact()
    with Gallery.open(old / f"gallery-{name}", encoder=SmallEncoder()) as gallery:
        assert gallery.check() == []
        unharmed = [row for row, probe in enumerate(wanted) if all(each[0] != "person 3" for each in probe)]
        again = _found(gallery)
        assert [again[row][:1] for row in unharmed] == _near([wanted[row][:1] for row in unharmed])


@pytest.mark.parametrize("name", GALLERIES)
def test_an_old_gallery_goes_on_deciding_by_the_similarity(name: str, old: Path) -> None:
    with Gallery.open(old / f"gallery-{name}", encoder=SmallEncoder()) as gallery:
        assert (gallery.score, gallery.cohort()) == ("cosine", None)
        assert gallery.threshold == pytest.approx(0.4)
        for candidates, wanted in zip(gallery.search(PROBES, 3), _answers(old)[name], strict=True):
            assert [each.score for each in candidates] == [each.similarity for each in candidates]
            assert (candidates[0].score >= gallery.threshold) == (wanted[0][1] >= 0.4)
        info = gallery.info()
        assert (info.score, info.cohort) == ("cosine", 0)


def test_an_old_backup_is_restored(old: Path) -> None:
    report = Gallery.restore(old / "backup.zip", old / "restored")
    assert (report.identities, report.templates, report.has_index) == (149, 299, True)
    with Gallery.open(old / "restored", encoder=SmallEncoder()) as gallery:
        assert _found(gallery) == _near(_answers(old)["sq8"])
        assert gallery.check() == []


@pytest.mark.parametrize("name", INDEXES)
def test_an_old_index_file_finds_what_it_found(name: str, old: Path) -> None:
    kind = name.replace("_", "+").replace("-", ",")
    ids, scores = _answers(old)[f"index {name}"]
    index = load_index(old / f"index-{name}.bin")
    found = index.search(PROBES[:-1], 3)
    assert index.kind == kind
    assert found[1].tolist() == ids
    assert np.round(found[0], 5).tolist() == pytest.approx(np.array(scores))
    other = index.copy()
    other.remove(index.ids[:10])
    assert len(other) == len(index) - 10


def test_an_old_store_keeps_what_it_held(old: Path) -> None:
    with open_store(old / "gallery-flat") as store:
        state = store.index_state.read()
        assert state is not None
        (segment,) = state.segments
        assert (segment.first_template_id, segment.last_template_id) == (1, 300)
        assert (old / "gallery-flat" / segment.file_name).exists()
        encoder = store.settings.encoder()
        assert encoder is not None
        assert (encoder.model, encoder.pipeline) == ("ready", "")
        assert store.integrity_check() == []
