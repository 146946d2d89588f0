"""`index check` of a gallery that others are writing to: damage is damage, and a change is none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.faults.operations import OLD, opened, prepare
from facesearch.errors import StoreBusyError
from facesearch.gallery.index_files import IndexFiles
from facesearch.store import Segment
from indexes import VectorIndex

ROOT = Path(__file__).parents[2]
WRITER = """
import sys
from pathlib import Path
from benchmarks.faults.operations import opened, templates

for round in range(int(sys.argv[2])):
    with opened(Path(sys.argv[1])) as gallery:
        gallery.enroll_templates([f"{round} {row}" for row in range(40)], templates(40, 100 + round))
        gallery.forget(f"{round} 3")
        gallery.build_index()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    prepare(tmp_path, "sq8")
    return tmp_path / "gallery"


def test_the_check_is_clean_while_another_process_enrols_forgets_and_builds(folder: Path) -> None:
    checks = 0
    with subprocess.Popen([sys.executable, "-c", WRITER, str(folder), "6"], cwd=ROOT) as writer:
        while writer.poll() is None:
            with opened(folder) as gallery:
                assert gallery.check() == []
            checks += 1
    assert writer.returncode == 0
    assert checks > 1


def _overtaking(monkeypatch: pytest.MonkeyPatch, folder: Path, times: int) -> None:
    """Another one builds the index each time a file is about to be opened."""
    opening, left = IndexFiles.open, [times]

    def overtaken(self: IndexFiles, segment: Segment) -> VectorIndex:
        if left[0]:
            left[0] -= 1
            with monkeypatch.context() as undone, opened(folder) as other:
                undone.setattr(IndexFiles, "open", opening)
                other.build_index()
        return opening(self, segment)

    monkeypatch.setattr(IndexFiles, "open", overtaken)


def test_files_replaced_in_the_middle_of_a_check_are_no_damage(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(folder) as gallery:
        _overtaking(monkeypatch, folder, 3)
        assert gallery.check() == []


def test_a_check_that_is_overtaken_without_end_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(folder) as gallery:
        _overtaking(monkeypatch, folder, 10_000)
        with pytest.raises(StoreBusyError, match="keep changing"):
            gallery.check()


def test_damage_is_still_found_when_a_file_was_replaced_meanwhile(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(folder) as gallery:
        gallery.search(OLD[:1], 1)
        _overtaking(monkeypatch, folder, 1)
        assert gallery.check() == []
    monkeypatch.undo()
    (file,) = folder.glob("index-*")
    file.write_bytes(file.read_bytes()[:-100])
    with opened(folder) as damaged:
        assert any(file.name in problem for problem in damaged.check())
