"""A lock has one holder at a time, among processes and threads, and dies with it."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from facesearch.files.locks import exclusive_lock

HOLD = (
    "import sys; from pathlib import Path; from facesearch.files.locks import exclusive_lock\n"
    "with exclusive_lock(Path(sys.argv[1])):\n"
    "    print('held', flush=True); sys.stdin.read()\n"
)


def test_a_lock_that_a_process_holds_is_refused_at_once_and_free_when_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    for end in (subprocess.Popen.kill, subprocess.Popen.terminate):
        with subprocess.Popen(
            [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as other:
            assert other.stdout is not None
            assert other.stdout.readline().strip() == b"held"
            with pytest.raises(BlockingIOError, match="lock"), exclusive_lock(path):
                raise AssertionError
            end(other)
        with exclusive_lock(path):
            pass


def test_a_lock_that_another_thread_holds_is_refused_and_free_after_an_error_in_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    refused = []

    def attempt() -> None:
        try:
            with exclusive_lock(path):
                pass
        except BlockingIOError:
            refused.append(path)

    with pytest.raises(ZeroDivisionError), exclusive_lock(path):
        thread = threading.Thread(target=attempt)
        thread.start()
        thread.join()
        raise ZeroDivisionError
    assert refused == [path]
    with exclusive_lock(path):
        assert path.exists()


def test_where_no_file_can_be_made_there_is_no_lock(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises((FileExistsError, NotADirectoryError)), exclusive_lock(tmp_path / "file" / "lock"):
        raise AssertionError
