"""The index files of one shard of a gallery on a server: on the machine that serves it, with a list that says which are
valid and which moment they are of."""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec

from facesearch.errors import IndexStateError
from facesearch.files.durable import write_atomically
from facesearch.files.permissions import make_private_folder
from facesearch.gallery.index_building import in_memory
from facesearch.gallery.index_files import IndexFiles
from facesearch.gallery.view import OpenSegment
from facesearch.store import LogPosition, Milestone, Segment, Shard
from indexes import VectorIndex, VectorIndexError

_log = logging.getLogger("facesearch")

_LIST = "shard.json"
_FORMAT = 2
_MOST_BYTES = 1 << 26


class ShardList(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which files are valid. gallery: words that no other one has. event: the last entry of the audit log that they
    cover, 0 for none. milestones: what the log is known by."""

    format: int
    gallery: str
    shard: Shard
    kind: str
    codec: str
    position: LogPosition
    event: int
    segments: tuple[Segment, ...]
    milestones: tuple[Milestone, ...]


class ShardFiles:
    """The files of one shard in a folder of its own."""

    def __init__(self, folder: Path, gallery: str, shard: Shard) -> None:
        """gallery: words that no other one has. Raises `IndexStateError` where the folder cannot be used."""
        try:
            make_private_folder(folder)
        except OSError as error:
            raise IndexStateError(f"{folder} cannot be used ({(error.strerror or 'error').lower()})") from None
        self._path = folder / _LIST
        self._gallery, self._shard = gallery, shard
        self._files = IndexFiles(folder)

    def read(self) -> ShardList | None:
        """The list; None where there is none of this shard, or a damaged one: then all is built anew."""
        try:
            if self._path.stat().st_size > _MOST_BYTES:
                return None
            found = msgspec.json.decode(self._path.read_bytes(), type=ShardList)
        except (OSError, msgspec.MsgspecError):
            return None
        ours = (found.format, found.gallery, found.shard) == (_FORMAT, self._gallery, self._shard)
        return found if ours else None

    def opened(self, valid: ShardList) -> tuple[OpenSegment, ...] | None:
        """The segments of the files on the list, mapped; None where one is missing or damaged."""
        try:
            return tuple(
                OpenSegment(self._files.open(each), each.first_template_id, each.last_template_id, each)
                for each in valid.segments
            )
        except VectorIndexError as error:
            _log.warning("%s; the shard is built anew from the stored templates", error)
            return None

    def finish(self, index: VectorIndex, first_id: int, last_id: int) -> OpenSegment:
        """Write a segment and map it. Raises `IndexStateError` where the disk does not take it."""
        written = self._files.write(index, first_id, last_id)
        if written is None:
            return in_memory(index, first_id, last_id)
        try:
            return OpenSegment(self._files.open(written), first_id, last_id, written)
        except VectorIndexError:  # cleared away before it was on the list
            return in_memory(index, first_id, last_id)

    def record(
        self,
        kind: str,
        codec: str,
        position: LogPosition,
        event: int,
        segments: tuple[OpenSegment, ...],
        known: tuple[Milestone, ...],
    ) -> None:
        """Say which files are valid from now on, and delete the others. Raises `IndexStateError`."""
        stored = tuple(each.stored for each in segments if each.stored is not None)
        listed = ShardList(_FORMAT, self._gallery, self._shard, kind, codec, position, event, stored, known)
        content = msgspec.json.encode(listed)
        try:
            if len(stored) == len(segments):
                write_atomically(self._path, lambda file: file.write(content))
            self._files.remove(path.name for path in self._files.others({each.file_name for each in stored}))
        except OSError as error:
            raise IndexStateError(f"the index files cannot be written: {error.strerror or error}") from None

    def bytes_on_disk(self, segments: tuple[OpenSegment, ...]) -> int:
        """Of the files of these segments."""
        return sum(each.stored.size_bytes for each in segments if each.stored is not None)
