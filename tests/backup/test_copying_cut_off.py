"""Copies whose process is killed: what is left is no gallery, and the next copy goes on with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from postgres_server import new_gallery

from facesearch import Gallery
from facesearch.errors import StoreError

from .full_gallery import make_full_gallery, probes, rows_of

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX systems")

ROOT = Path(__file__).parents[2]
# Is killed when progress was told so often: in the middle of a table, between two, while both are compared.
KILLED = """
import os, signal, sys
from facesearch import Gallery
from facesearch.store.sql import copying

copying._BATCH = 60
left = int(sys.argv[3])

def told(done, total):
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)

Gallery.copy(sys.argv[1], sys.argv[2], progress=told)
"""


@pytest.mark.parametrize(
    ("way", "kills"),
    [("folder to server", (10, 40)), ("server to folder", (25,))],
    ids=["to-server", "to-folder"],
)
def test_a_copy_goes_on_however_often_its_process_is_killed(
    way: str, kills: tuple[int, ...], tmp_path: Path, postgresql_server: str
) -> None:
    source: Path | str = make_full_gallery(tmp_path / "gallery")
    target: Path | str = new_gallery(postgresql_server)
    if way == "server to folder":
        Gallery.copy(source, target)
        source, target = target, tmp_path / "copy"
    before = rows_of(source)
    for calls in kills:
        command = [sys.executable, "-c", KILLED, str(source), str(target), str(calls)]
        killed = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
        assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
        with pytest.raises(StoreError, match="is an unfinished copy of"):
            Gallery.open(target, create=False)
    Gallery.copy(source, target)
    assert rows_of(target) == before
    with Gallery.open(source) as one, Gallery.open(target) as other:
        assert other.search(probes(), 4) == one.search(probes(), 4)
        assert other.check() == []
