"""A disk that really is full, and processes that really work at once."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.faults.operations import DIMENSION, OLD, TEMPLATES, opened, owner, templates
from facesearch import Gallery
from facesearch.errors import DiskFullError, FacesearchError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of about a megabyte."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = shutil.which("mount")
    if mount is None:
        pytest.skip("there is no mount here")
    done = subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=1100k", "facesearch-test", str(place)],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_disk_that_fills_up_keeps_what_was_confirmed(small_disk: Path) -> None:
    confirmed: list[int] = []
    with opened(small_disk / "gallery") as gallery:
        with pytest.raises(FacesearchError, match=r"(?i)disk is full|no space left") as caught:
            for first in range(0, 20_000, 200):
                vectors = templates(200, seed=first)
                names, rows = [f"person {first + row}" for row in range(200)], list[int]()
                try:
                    gallery.enroll_templates(names, vectors, committed=rows.append)
                finally:  # confirmed also where the index file could not be written after it
                    confirmed += [first + row for row in rows]
        assert "\n" not in str(caught.value)
        assert len(confirmed) >= 400
    with opened(small_disk / "gallery") as gallery:
        assert gallery.counts().templates == len(confirmed)
        for first in {row - row % 200 for row in confirmed}:
            (best,) = gallery.search(templates(200, seed=first)[:1], 1)[0]
            assert best.identity == f"person {first}"
        assert all("index build" in problem for problem in gallery.check())
        gone = f"person {confirmed[-1]}"
        gallery.forget(gone)  # also without room for a new index file
        assert gone not in {person.name for person in gallery.identities()}


def test_a_backup_that_does_not_fit_leaves_nothing_behind(small_disk: Path, tmp_path: Path) -> None:
    (small_disk / "filler").write_bytes(bytes(900_000))
    with opened(tmp_path / "gallery") as gallery:
        gallery.enroll_templates([owner(row) for row in range(TEMPLATES)], OLD)
        with pytest.raises(FacesearchError, match=r"(?i)disk is full|no space left"):
            gallery.backup(small_disk / "b.zip")
        gallery.backup(tmp_path / "b.zip")
        with pytest.raises(FacesearchError, match=r"(?i)no room"):
            gallery.restore(tmp_path / "b.zip", small_disk / "gallery")
        assert gallery.check() == []
    assert [path.name for path in small_disk.iterdir()] == ["filler"]


def _fill(disk: Path) -> Path:
    """A file that takes the last free block."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        while True:
            file.write(bytes(4096))
    return filler


@pytest.mark.parametrize("kind", ["flat", "pq8"])
def test_a_disk_without_a_free_block_answers_and_is_backed_up_elsewhere_and_says_why_nothing_changes(
    kind: str, small_disk: Path, tmp_path: Path
) -> None:
    folder = small_disk / "gallery"
    with opened(folder, kind) as gallery:
        gallery.enroll_templates([owner(row) for row in range(TEMPLATES)], OLD)
        gallery.build_index()
        wanted = gallery.search(OLD[::20], 3)
    files = sorted(path.name for path in folder.glob("index-*"))
    filler = _fill(small_disk)
    with opened(folder) as gallery:
        assert gallery.search(OLD[::20], 3) == wanted
        assert (gallery.info().templates, len(gallery.identities())) == (TEMPLATES, TEMPLATES // 2)
        assert gallery.check() == []
        gallery.backup(tmp_path / "b.zip")
        for change in (
            lambda: gallery.forget(owner(0)),
            lambda: gallery.rename(owner(0), "renamed"),
            lambda: gallery.enroll_templates(["new"], templates(1, 5)),
            gallery.compact,
            gallery.build_index,
        ):
            with pytest.raises(DiskFullError, match="the disk is full"):
                change()
    assert sorted(path.name for path in folder.glob("index-*")) == files
    filler.unlink()
    with opened(folder) as gallery:
        assert gallery.search(OLD[::20], 3) == wanted
        assert gallery.forget(owner(0)).wiped
        assert gallery.check() == []
    Gallery.restore(tmp_path / "b.zip", tmp_path / "restored")
    with opened(tmp_path / "restored") as gallery:
        assert gallery.search(OLD[::20], 3) == wanted


def test_a_backup_to_a_full_disk_blames_the_file_that_does_not_fit(small_disk: Path, tmp_path: Path) -> None:
    with opened(tmp_path / "gallery") as gallery:
        gallery.enroll_templates([owner(row) for row in range(TEMPLATES)], OLD)
        for room in (0, 40_000, 150_000):
            _fill(small_disk)
            with (small_disk / "filler").open("rb+") as file:
                file.truncate((small_disk / "filler").stat().st_size - room)
            with pytest.raises(FacesearchError, match=r"(?i)disk is full|no space left") as caught:
                gallery.backup(small_disk / "b.zip")
            assert str(small_disk / "b.zip") in str(caught.value)
            assert str(tmp_path / "gallery") not in str(caught.value)
            assert [path.name for path in small_disk.iterdir()] == ["filler"]


ENROL = """
import sys
import numpy as np
from benchmarks.faults.operations import opened, templates

folder, who, first, last = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
from pathlib import Path
print("ready", flush=True)
sys.stdin.readline()
with opened(Path(folder)) as gallery:
    for row in range(first, last, 5):
        gallery.enroll_templates([f"{who} {row + i}" for i in range(5)], templates(last, 9)[row:row + 5])
    print(gallery.encoder_spec)
"""


def test_two_processes_enrol_and_a_third_builds_while_a_fourth_asks(tmp_path: Path) -> None:
    folder = tmp_path / "gallery"
    with opened(folder) as gallery:
        gallery.enroll_templates([owner(row) for row in range(TEMPLATES)], OLD)
    command = [sys.executable, "-c", ENROL, str(folder)]
    enrolling = [
        subprocess.Popen(
            [*command, who, first, last], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for who, first, last in (("left", "0", "60"), ("right", "60", "120"))
    ]
    for process in enrolling:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in enrolling:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    stop, wrong = threading.Event(), list[str]()

    def build() -> None:
        with opened(folder) as builder:
            while not stop.is_set():
                builder.build_index()

    building = threading.Thread(target=build)
    building.start()
    with opened(folder) as asking:
        while any(process.poll() is None for process in enrolling):
            answers = asking.search(OLD[::11], 1)
            wrong += [
                c[0].identity
                for row, c in zip(range(0, TEMPLATES, 11), answers, strict=True)
                if c[0].identity != owner(row)
            ]
    stop.set()
    building.join()
    assert [process.communicate()[0] for process in enrolling] == ["ready:fp32@memory\n"] * 2
    assert wrong == []
    with opened(folder) as gallery:
        assert gallery.counts().templates == TEMPLATES + 120
        found = gallery.search(templates(60, 9), 1) if DIMENSION == 32 else []
        assert [candidates[0].identity for candidates in found] == [f"left {row}" for row in range(60)]
        assert gallery.check() == []
