"""Which photos of a watched folder are taken, and when."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from facesearch.errors import UsageError
from facesearch.photos.arrivals import Arrivals


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "people" / "Ada").mkdir(parents=True)
    return tmp_path / "people"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def arrivals(root: Path, clock: Clock) -> Arrivals:
    return Arrivals([root], settled=1.0, clock=clock)


def names(arrivals: Arrivals) -> list[str]:
    return [photo.path.name for photo in arrivals.look().photos]


def test_a_file_is_taken_once_when_it_has_settled(root: Path, clock: Clock, arrivals: Arrivals) -> None:
    (root / "Ada" / "1.jpg").write_bytes(b"abc")
    assert arrivals.look().waits
    clock.now = 0.9
    assert names(arrivals) == []
    clock.now = 1.0
    assert names(arrivals) == ["1.jpg"]
    clock.now = 9.0
    assert names(arrivals) == []
    assert not arrivals.look().waits


def test_a_file_that_grows_is_waited_for(root: Path, clock: Clock, arrivals: Arrivals) -> None:
    for second in range(5):
        clock.now = second
        with (root / "Ada" / "1.jpg").open("ab") as file:
            file.write(b"more")
        assert names(arrivals) == []
    clock.now = 6
    assert names(arrivals) == ["1.jpg"]


def test_a_file_that_is_replaced_is_taken_again(root: Path, clock: Clock, arrivals: Arrivals) -> None:
    path = root / "Ada" / "1.jpg"
    path.write_bytes(b"abc")
    os.utime(path, ns=(1, 1))
    arrivals.look()
    clock.now = 1
    assert names(arrivals) == ["1.jpg"]
    (root / "Ada" / ".new").write_bytes(b"xyz")
    os.utime(root / "Ada" / ".new", ns=(1, 1))
    (root / "Ada" / ".new").replace(path)  # the same size and time
    arrivals.look()
    clock.now = 2
    assert names(arrivals) == ["1.jpg"]


def test_a_hidden_part_that_is_renamed_when_whole_is_taken_under_its_name(
    root: Path, clock: Clock, arrivals: Arrivals
) -> None:
    (root / "Ada" / ".1.jpg.part").write_bytes(b"abc")
    arrivals.look()
    clock.now = 5
    assert names(arrivals) == []
    (root / "Ada" / ".1.jpg.part").rename(root / "Ada" / "1.jpg")
    arrivals.look()
    clock.now = 6
    assert names(arrivals) == ["1.jpg"]


def test_a_new_person_and_folders_inside_theirs(root: Path, clock: Clock, arrivals: Arrivals) -> None:
    arrivals.look()
    (root / "Bea" / "2024").mkdir(parents=True)
    (root / "Bea" / "2024" / "1.jpg").write_bytes(b"abc")
    arrivals.look()
    clock.now = 1
    (photo,) = arrivals.look().photos
    assert photo.identity == "Bea"


def test_a_moved_file_is_gone_there_and_new_here(root: Path, clock: Clock, arrivals: Arrivals) -> None:
    (root / "Ada" / "1.jpg").write_bytes(b"abc")
    arrivals.look()
    clock.now = 1
    arrivals.look()
    (root / "Ada").rename(root / "Bea")
    assert arrivals.look().left == 1
    assert arrivals.look().left == 0
    clock.now = 3
    assert [photo.identity for photo in arrivals.look().photos] == ["Bea"]


def test_a_file_deleted_before_it_settled_is_never_taken(root: Path, clock: Clock, arrivals: Arrivals) -> None:
    (root / "Ada" / "1.jpg").write_bytes(b"abc")
    arrivals.look()
    (root / "Ada" / "1.jpg").unlink()
    clock.now = 1
    assert arrivals.look() == ([], [], 0, False)


def test_what_could_not_be_enrolled_comes_again(root: Path, clock: Clock, arrivals: Arrivals) -> None:
    (root / "Ada" / "1.jpg").write_bytes(b"abc")
    arrivals.look()
    clock.now = 1
    arrivals.again(arrivals.look().photos)
    arrivals.look()
    clock.now = 2
    assert names(arrivals) == ["1.jpg"]


def test_a_photo_outside_of_a_persons_folder_is_rejected_once(root: Path, arrivals: Arrivals) -> None:
    (root / "1.jpg").write_bytes(b"abc")
    assert len(arrivals.look().rejected) == 1
    assert arrivals.look().rejected == []


def test_a_link_that_leads_nowhere_is_passed_over(root: Path, clock: Clock, arrivals: Arrivals) -> None:
    (root / "Ada" / "1.jpg").symlink_to(root / "nowhere.jpg")
    arrivals.look()
    clock.now = 5
    assert arrivals.look().photos == []


@pytest.mark.parametrize("again", [False, True])
def test_a_folder_that_is_gone_or_another_one_by_now_ends_it(root: Path, arrivals: Arrivals, again: bool) -> None:
    arrivals.look()
    root.rename(root.with_name("elsewhere"))
    if again:
        shutil.copytree(root.with_name("elsewhere"), root)
    with pytest.raises(UsageError, match="is gone, or another folder"):
        arrivals.look()
