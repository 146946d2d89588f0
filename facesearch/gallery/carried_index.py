"""The index files of a gallery, taken along to where it is copied, so that the copy answers as it does, and at once."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import BinaryIO

from facesearch.files.durable import write_atomically
from facesearch.gallery.index_files import IndexFiles
from facesearch.store import IndexState, SqlStore
from indexes import VectorIndexError

_log = logging.getLogger("facesearch")

OpenFiles = list[tuple[str, BinaryIO]]


def opened_files(folder: Path, state: IndexState | None, files: ExitStack, otherwise: str) -> OpenFiles:
    """The index files, open, so that they stay even if another process replaces them; none unless all are sound.

    otherwise: what is said to come of that.
    """
    if state is None:
        return []
    opened: OpenFiles = []
    try:
        for segment in state.segments:
            if not segment.file_name:
                return []
            opened.append((segment.file_name, files.enter_context((folder / segment.file_name).open("rb"))))
            IndexFiles(folder).open(segment)
    except (OSError, VectorIndexError) as error:
        _log.warning("%s; %s", error, otherwise)
        return []
    return opened


def put_files(copy: SqlStore, folder: Path, state: IndexState | None, files: Sequence[tuple[str, BinaryIO]]) -> bool:
    """Put these files into the folder of a copy and record them, where the state that they belong to holds for it, too;
    returns whether it does."""
    before = copy.index_state.read()  # by an attempt that was interrupted
    if before is not None and before != state:
        copy.index_state.discard_files(before.file_names)
    if state is None or not files:
        return False
    try:
        for name, content in files:
            content.seek(0)
            write_atomically(folder / name, partial(shutil.copyfileobj, content))
    except OSError as error:
        _log.warning("the index files were not taken along (%s); new ones are built", error.strerror or error)
        return False
    if copy.index_state.replace(copy.index_state.read(), state):
        return True
    IndexFiles(folder).remove(name for name, _ in files)
    return False
