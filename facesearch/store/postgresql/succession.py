"""Folders of index files that a server left behind when another one took over: what they hold is the gallery's people.

Nobody opens them any more, so that nobody who is forgotten later would be taken out of them.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from facesearch.files.permissions import open_private
from facesearch.store.postgresql.schema import Found

_OF = "server.json"


def succeed(folder: Path, found: Found) -> None:
    """Note in a folder whose it is, and delete those of the same gallery on servers that this one took over from."""
    if found.history is None or (folder / _OF).exists():
        return
    gallery, timeline = found.history
    for other in folder.parent.glob(f"*/{_OF}"):
        told = _told(other)
        if told is not None and told[0] == list(gallery) and told[1] < timeline:
            shutil.rmtree(other.parent, ignore_errors=True)
    try:
        with open_private(folder / _OF) as file:
            file.write(json.dumps([gallery, timeline]).encode())
    except OSError:  # another process notes it, or the disk is full
        return


def _told(path: Path) -> tuple[list[str], int] | None:
    try:
        gallery, timeline = json.loads(path.read_text(encoding="utf-8"))
        return list(gallery), int(timeline)
    except (OSError, ValueError, TypeError):
        return None
