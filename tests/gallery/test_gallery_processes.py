"""Several processes at one gallery, and processes that are killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from facesearch import Gallery
from facesearch.photos.photo import Photo
from facesearch.photos.sources import from_paths
from facesearch.workshop.sample_people import draw_people, write_photos

from .doubles import ProjectionEncoder, store_templates, unit_vectors

pytestmark = pytest.mark.folder  # other processes know folders as folders
ROOT = Path(__file__).parents[2]


def _enrolling(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "facesearch", "enroll", *arguments, "--gallery", str(folder)]
    return subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_two_processes_enrol_different_people_into_a_new_gallery_at_once(
    people_photos: Path, tmp_path: Path, probes: list[Photo]
) -> None:
    halves = [tmp_path / "one", tmp_path / "two"]
    for number, person in enumerate(sorted(people_photos.iterdir())):
        shutil.copytree(person, halves[number % 2] / person.name)
    processes = [_enrolling(tmp_path / "gallery", str(half), "--json", "--workers", "1") for half in halves]
    reports = [json.loads(process.communicate(timeout=120)[0]) for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert sum(report["templates"] for report in reports) == 3 * len(probes)
    with Gallery.open(tmp_path / "gallery") as gallery:
        assert gallery.counts() == (len(probes), 3 * len(probes), 3 * len(probes))
        assert gallery.check() == []
        for probe in probes:
            best = gallery.identify(probe.path, k=1).candidates[0]
            assert (best.identity, round(best.similarity, 3)) == (probe.identity, 1)
        gallery.build_index()
    assert len(list((tmp_path / "gallery").glob("index-*.faiss"))) == 1


FORGET = """
import sys
from facesearch import Gallery
with Gallery.open(sys.argv[1]) as gallery:
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(40):
        gallery.forget(f"person {number}")
"""


def test_a_process_that_forgets_does_not_disturb_one_that_enrols(tmp_path: Path, known: list[Photo]) -> None:
    """One deletes index files that are not the valid one while the other writes some."""
    encoder = ProjectionEncoder("dlib-resnet")
    folder = tmp_path / "gallery"

    store_templates(folder, [f"person {number}" for number in range(60)], unit_vectors(60))
    command = [sys.executable, "-c", FORGET, str(folder)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, text=True, **pipes) as process:  # type: ignore[call-overload]
        assert process.stdout.readline() == "ready\n"
        process.stdin.write("go\n")
        process.stdin.flush()
        with Gallery.open(folder, encoder=encoder) as gallery:
            for photo in known:
                assert gallery.enroll_photos([photo]).templates == 1
        _, complaints = process.communicate(timeout=60)
        assert (process.returncode, complaints) == (0, "")
    with Gallery.open(folder, encoder=encoder) as gallery:
        names = {person.name for person in gallery.identities()}
        assert names == {f"person {number}" for number in range(40, 60)} | {photo.identity for photo in known}
        assert gallery.check() == []


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Enough photos that a process can be killed in the middle of them."""
    folder = tmp_path_factory.mktemp("crowd")
    write_photos(folder, draw_people(60), 5, (240, 240))
    return folder


@pytest.mark.parametrize("confirmations", [1, 64, 150])
def test_what_was_confirmed_before_a_kill_is_found_and_the_next_run_does_the_rest(
    confirmations: int, crowd: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "gallery"
    process = _enrolling(folder, str(crowd), "-v")
    assert process.stderr is not None
    confirmed = [process.stderr.readline() for _ in range(confirmations)]
    os.kill(process.pid, signal.SIGKILL)
    _, rest = process.communicate(timeout=60)
    confirmed += [line for line in rest.splitlines(keepends=True) if line.endswith("\n")]
    assert process.returncode == -signal.SIGKILL
    assert all(line.startswith("enrolled ") for line in confirmed)
    paths = [Path(line.removeprefix("enrolled ").rstrip("\n")) for line in confirmed]

    total = len(from_paths([crowd]).photos)
    with Gallery.open(folder, create=False) as gallery:
        assert gallery.check() == []
        counts = gallery.counts()
        assert len(paths) <= counts.templates < total
        people = gallery.identities()
        assert sum(person.templates for person in people) == counts.templates
        stored = {info.path for person in people for info in gallery.identity(person.name)[1]}
        assert {str(path) for path in paths} <= stored
        for path in paths[:: max(1, len(paths) // 8)]:
            best = gallery.identify(path, k=1).candidates[0]
            assert (best.identity, round(best.similarity, 3)) == (path.parent.name, 1)
        report = gallery.enroll_photos(from_paths([crowd]).photos)
        assert report.skipped == counts.templates
        assert report.templates + report.skipped + len(report.rejected) == total
        assert gallery.check() == []
        assert gallery.index_info().replayed == 0
    assert len(list(folder.glob("index-*.faiss"))) == 1
