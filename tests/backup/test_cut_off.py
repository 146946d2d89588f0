"""Backups and restores that are ended by a signal: nothing is left, or what is left is found again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from facesearch import Gallery
from facesearch.errors import BackupError
from facesearch.gallery.archive import write_archive
from facesearch.gallery.scratch import remove_unfinished

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX systems")

ROOT = Path(__file__).parents[2]
# Stops in the middle, with the whole database copied, and says so.
HALF = """
import os, sys, time
from pathlib import Path
from facesearch import Gallery

def told(done, total):
    if done and done == total:
        os.write(1, b"half\\n")
        time.sleep(60)

if sys.argv[1] == "backup":
    with Gallery.open(sys.argv[2]) as gallery:
        gallery.backup(sys.argv[3], progress=told)
else:
    Gallery.restore(sys.argv[3], sys.argv[2], progress=told)
"""


def _started(what: str, gallery: Path, archive: Path) -> subprocess.Popen[bytes]:
    # whoever runs the tests may have told all its processes not to mind that a terminal hangs up
    first = "import os, signal; os.umask(0o022); signal.signal(signal.SIGHUP, signal.SIG_DFL)"
    first += "; signal.signal(signal.SIGINT, signal.default_int_handler)"  # ignored in the background
    command = [sys.executable, "-c", f"{first}\n{HALF}", what, str(gallery), str(archive)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"half\n"
    return process


def _ended(what: str, number: int, gallery: Path, archive: Path) -> int:
    with _started(what, gallery, archive) as process:
        process.send_signal(number)
        return process.wait()


def _left(*folders: Path) -> list[Path]:
    """What is there besides galleries and archives."""
    return [path for folder in folders for path in folder.glob(".*") if "in-use" not in path.name]


@pytest.fixture
def away(tmp_path: Path) -> Path:
    """Another folder, for backups."""
    (tmp_path / "away").mkdir()
    return tmp_path / "away"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
@pytest.mark.parametrize("what", ["backup", "restore"])
def test_a_signal_that_asks_to_end_leaves_nothing(
    what: str, number: int, folder: Path, archive: Path, away: Path
) -> None:
    if what == "backup":
        assert _ended(what, number, folder, away / "b.zip") == -number
    else:
        assert _ended(what, number, away / "gallery", archive) == -number
    assert list(away.iterdir()) == []
    assert _left(folder, folder.parent) == []


@pytest.mark.parametrize("by", ["forget", "compact", "backup"])
def test_a_killed_backup_is_private_and_removed_by_the_next_that_changes_or_copies_the_gallery(
    by: str, folder: Path, away: Path, tmp_path: Path
) -> None:
    assert _ended("backup", signal.SIGKILL, folder, away / "monday.zip") == -signal.SIGKILL
    (left,) = away.iterdir()
    assert left.stat().st_mode & 0o777 == 0o700
    inside = [path for path in left.rglob("*") if path.is_file()]
    assert {path.name for path in inside} >= {"gallery.db"}
    assert {path.stat().st_mode & 0o777 for path in inside} == {0o600}
    with Gallery.open(folder) as gallery:
        if by == "forget":
            assert gallery.forget("person 7").unfinished == ()
        elif by == "compact":
            gallery.compact()
        else:
            gallery.backup(tmp_path / "tuesday.zip")
    assert _left(away, folder) == []


def test_a_killed_restore_is_removed_when_somebody_is_forgotten(folder: Path, archive: Path) -> None:
    _ended("restore", signal.SIGKILL, folder.with_name("other"), archive)
    assert len(_left(folder.parent)) == 1
    shutil.copytree(folder, folder.with_name("other"))
    with Gallery.open(folder.with_name("other")) as gallery:
        gallery.forget("person 7")
    assert _left(folder.parent) == []


def test_the_receipt_names_a_backup_that_is_being_made(folder: Path, away: Path) -> None:
    with _started("backup", folder, away / "b.zip") as process, Gallery.open(folder) as gallery:
        (named,) = gallery.forget("person 7").unfinished
        assert Path(named).parent == away
        assert Path(named).is_dir()
        process.terminate()
        process.wait()
        assert gallery.forget("person 8").unfinished == ()
    assert _left(away, folder) == []


def test_the_receipt_names_what_lies_on_a_disk_that_was_taken_away(folder: Path, away: Path) -> None:
    _ended("backup", signal.SIGKILL, folder, away / "b.zip")
    elsewhere = away.rename(away.with_name("in the drawer"))
    with Gallery.open(folder) as gallery:
        (named,) = gallery.forget("person 7").unfinished
        assert Path(named).parent == away
        away.mkdir()  # the empty place that another disk, or none, is mounted at
        assert gallery.forget("person 8").unfinished == (named,)
        away.rmdir()
        elsewhere.rename(away)
        assert gallery.forget("person 9").unfinished == ()
    assert _left(away, folder) == []


@pytest.mark.parametrize("named", ["photos", "/", "../away", ".x.0123456789abcdef.tmp", 7, None])
def test_a_record_that_names_something_else_removes_nothing(named: object, folder: Path, away: Path) -> None:
    (away / "mine").write_bytes(b"mine")
    content = {"folder": named if named != "photos" else str(away), "inode": away.parent.stat().st_ino}
    (folder / ".backup-0123456789abcdef.json").write_text(json.dumps(content))
    assert remove_unfinished(folder) == []
    assert (away / "mine").read_bytes() == b"mine"
    assert _left(folder) == []


def test_a_program_that_handles_the_signal_itself_goes_on_doing_so(folder: Path, away: Path) -> None:
    # os.write: print() must not be entered again while it writes
    code = "import os, signal; signal.signal(signal.SIGTERM, lambda *_: os.write(1, b'mine'))\n"
    code += HALF.replace("time.sleep(60)", "time.sleep(4)")
    command = [sys.executable, "-c", code, "backup", str(folder), str(away / "b.zip")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        time.sleep(0.1)
        assert b"mine" in process.stdout.read()
    assert process.returncode == 0
    assert [path.name for path in away.iterdir()] == ["b.zip"]


# what an archive says


@pytest.mark.parametrize("made_at", [10**30, -1, 1.5, "1", True, None, 253_402_300_800])
def test_a_time_that_no_calendar_has_is_refused_before_anything_is_done(
    made_at: object, folder: Path, tmp_path: Path
) -> None:
    with Gallery.open(folder) as gallery:
        gallery.compact()
    with (tmp_path / "b.zip").open("wb") as target, (folder / "gallery.db").open("rb") as content:
        write_archive(target, [("gallery.db", content)], {"made_at": made_at}, lambda done, total: None)  # type: ignore[dict-item]
    with pytest.raises(BackupError, match="manifest"):
        Gallery.restore(tmp_path / "b.zip", tmp_path / "restored")
    assert not (tmp_path / "restored").exists()


def test_an_index_file_of_other_content_is_not_taken_for_an_index(folder: Path, tmp_path: Path) -> None:
    with Gallery.open(folder) as gallery:
        gallery.compact()
    name = next(path.name for path in folder.glob("index-*"))
    (tmp_path / "junk").write_bytes(b"junk" * 1000)
    with (
        (tmp_path / "b.zip").open("wb") as target,
        (folder / "gallery.db").open("rb") as database,
        (tmp_path / "junk").open("rb") as junk,
    ):
        write_archive(target, [("gallery.db", database), (name, junk)], {}, lambda done, total: None)
    assert not Gallery.restore(tmp_path / "b.zip", tmp_path / "restored").has_index
    with Gallery.open(tmp_path / "restored") as gallery:
        assert gallery.check() == []
    assert not list((tmp_path / "restored").glob("index-*"))
