"""The index files in a gallery's folder: each one is written once under a name of its own, and never changed."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import BinaryIO

from facesearch.errors import IndexStateError
from facesearch.files.durable import remove_files, write_atomically
from facesearch.store import Segment
from indexes import MissingIndexError, SavedIndex, VectorIndex, VectorIndexError, load_index, read_footer

_PATTERNS = ("index-*.faiss", ".index-*.tmp")
_ATTEMPTS = 3  # to write a file


class IndexFiles:
    """The index files of one gallery folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, segment: Segment) -> Path:
        return self.folder / segment.file_name

    def open(self, segment: Segment) -> VectorIndex:
        """The index in a segment's file, mapped and verified; raises `VectorIndexError` if it is not the one."""
        path = self.path(segment)
        if read_footer(path).sha256 != segment.sha256:
            raise VectorIndexError(f"index file {segment.file_name} is not the one recorded in the store")
        index = load_index(path)
        if len(index) != segment.rows:
            raise VectorIndexError(f"index file {segment.file_name} holds another number of templates than recorded")
        return index

    def write(self, index: VectorIndex, first_id: int, last_id: int) -> Segment | None:
        """Write a new file; None where other processes clear it away unfinished each time.

        Raises `IndexStateError` where the disk does not take it.
        """
        path = self.folder / f"index-{secrets.token_hex(8)}.faiss"
        saved = self._saved(index, path)
        if saved is None:
            return None
        return Segment(path.name, saved.sha256, saved.rows, first_id, last_id, saved.size_bytes)

    def receive(self, pieces: Iterable[bytes], segment: Segment) -> str | None:
        """Write a file whose content comes from elsewhere; its name, None where it is not what the segment says.

        Raises OSError, and `FileNotFoundError` where another process clears it away.
        """
        path = self.folder / f"index-{secrets.token_hex(8)}.faiss"

        def write(file: BinaryIO) -> None:
            size = 0
            for piece in pieces:
                size += len(piece)
                if size > segment.size_bytes:
                    break
                file.write(piece)
            if size != segment.size_bytes:
                raise VectorIndexError("it is of another size")

        try:
            write_atomically(path, write)
            if read_footer(path).sha256 == segment.sha256:
                return path.name
        except MissingIndexError:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path)) from None
        except VectorIndexError:
            return None
        self.remove([path.name])
        return None

    def write_again(self, index: VectorIndex, segment: Segment) -> None:
        """Write a file that another process cleared away before it was recorded."""
        self._saved(index, self.path(segment))

    def remove(self, file_names: Iterable[str]) -> None:
        """Delete files durably; raises `OSError`."""
        remove_files([self.folder / name for name in file_names if name])

    def others(self, valid: Collection[str]) -> list[Path]:
        """Index files, finished or not, that are not among the valid ones."""
        return [path for pattern in _PATTERNS for path in self.folder.glob(pattern) if path.name not in valid]

    @staticmethod
    def _saved(index: VectorIndex, path: Path) -> SavedIndex | None:
        for _ in range(_ATTEMPTS):
            try:
                return index.save(path)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise IndexStateError(f"the index file cannot be written: {error.strerror or error}") from error
        return None
