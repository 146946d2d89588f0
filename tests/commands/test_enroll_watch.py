"""`facesearch enroll --watch`, in a process of its own."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import pytest
from command_line import Command

pytest.importorskip("watchfiles")

_WAIT = 60.0  # seconds, on a busy machine


class Watching:
    """The program at work on a folder."""

    def __init__(self, *words: object) -> None:
        command = [sys.executable, "-m", "facesearch", "enroll", *map(str, words), "--watch"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self._lines: Queue[str] = Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)

    def line(self) -> str:
        try:
            return self._lines.get(timeout=_WAIT)
        except Empty:
            self.process.kill()
            raise AssertionError(f"nothing came: {self.process.stderr and self.process.stderr.read()}") from None

    def batch(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.line())
        return found

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join()
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()

    def end(self, number: int = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.process.wait(_WAIT)


@pytest.fixture
def root(people_photos: Path, tmp_path: Path) -> Path:
    first = min(people_photos.iterdir())
    shutil.copytree(first, tmp_path / "people" / first.name)
    return tmp_path / "people"


@pytest.fixture
def others(people_photos: Path) -> list[Path]:
    return sorted(people_photos.iterdir())[1:]


@pytest.fixture
def watching(root: Path) -> Iterator[Watching]:
    started = Watching(root, "--json")
    yield started
    started.close()


def test_photos_that_arrive_move_and_go_are_followed(root: Path, others: list[Path], watching: Watching) -> None:
    assert watching.batch()["templates"] == 3
    shutil.copytree(others[0], root / "Bea")  # a new person
    batches = [watching.batch()]
    while sum(each["templates"] for each in batches) < 3:
        batches.append(watching.batch())
    (root / "Bea").rename(root / "Cleo")
    batches = [watching.batch()]
    while sum(len(each["moved"]) for each in batches) < 3:
        batches.append(watching.batch())
    assert {each["to"] for batch in batches for each in batch["moved"]} == {"Cleo"}
    (root / "Cleo" / "note.jpg").write_text("no photo")
    assert watching.batch()["rejected"][0]["path"].endswith("note.jpg")
    min((root / "Cleo").iterdir()).unlink()
    assert watching.batch()["left"] == 1
    assert watching.end() == 3  # something was rejected
    last = watching.batch()
    assert (last["ended"], last["templates"], last["without_file"]) == (True, 6, 1)


def test_a_photo_that_is_still_being_written_is_waited_for(root: Path, others: list[Path], watching: Watching) -> None:
    assert watching.batch()["templates"] == 3
    data = min(others[0].iterdir()).read_bytes()
    (root / "Bea").mkdir()
    with (root / "Bea" / "1.jpg").open("wb") as file:
        for part in range(0, len(data), len(data) // 4 + 1):
            file.write(data[part : part + len(data) // 4 + 1])
            file.flush()
            threading.Event().wait(0.5)
    batch = watching.batch()
    assert (batch["templates"], batch["rejected"]) == (1, [])
    assert watching.end(signal.SIGTERM) == 0


def test_a_folder_that_disappears_ends_it_with_one_line(root: Path, watching: Watching) -> None:
    assert watching.batch()["templates"] == 3
    shutil.rmtree(root)
    assert watching.process.wait(_WAIT) == 2
    last = watching.batch()
    while "ended" not in last:
        last = watching.batch()
    assert "is gone" in last["error"]
    assert watching.process.stderr is not None
    err = watching.process.stderr.read()
    assert "Traceback" not in err
    assert err.count("\n") == 2  # what is watched, and the error


@pytest.mark.parametrize("words", [("--sync",), ("--dry-run",), ("--identity", "Ada"), ("--manifest", "x.csv")])
def test_what_does_not_go_together(root: Path, facesearch: Command, words: tuple[str, ...]) -> None:
    paths = () if "--manifest" in words else (root,)
    outcome = facesearch("enroll", *paths, "--watch", *words)
    assert outcome.status == 2
    assert "--watch goes with folders" in outcome.err


def test_without_the_package_one_line_names_the_extra(
    root: Path, facesearch: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    outcome = facesearch("enroll", root, "--watch")
    assert (outcome.status, outcome.err.count("\n")) == (2, 1)
    assert "facesearch[watch]" in outcome.err


def test_a_folder_that_is_not_there_and_a_photo(root: Path, facesearch: Command) -> None:
    assert facesearch("enroll", root / "nowhere", "--watch").status == 2
    assert facesearch("enroll", next(root.rglob("*.jpg")), "--watch").status == 2
