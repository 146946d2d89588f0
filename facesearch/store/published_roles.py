"""Index files of one machine in the database, from where others take them instead of building their own."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import BinaryIO, Protocol

from facesearch.store.records import IndexState, LogPosition, Progress, Segment

PUBLISHED_ON_SERVERS = "only a gallery on a server has machines to publish index files for"


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """An index file in the database. number: by which it is asked for, and no other one ever is. segment: what it is,
    without a name of the file."""

    number: int
    segment: Segment


@dataclass(frozen=True, slots=True)
class Publication:
    """The index files that are published, as of one moment.

    position: of the log, which they reach: what was added later, or is in none of them, is in the store alone. Nobody
    who was taken out by then is in any of them. files: by the intervals of their templates, which do not overlap.
    damaged: how many are not to be relied on, and left out. published_at: epoch seconds.
    """

    kind: str
    codec: str
    position: LogPosition
    published_at: int
    files: tuple[PublishedFile, ...]
    damaged: int = 0

    def state(self, names: Mapping[int, str], version: int) -> IndexState:
        """The same as the valid index files of a machine, whose names there are given by their numbers; what is in
        others, or in none, is to be built from the store."""
        segments: list[Segment] = []
        start = 1
        for file in self.files:
            if file.number not in names:
                continue
            if file.segment.first_template_id > start:
                segments.append(_to_be_built(start, file.segment.first_template_id - 1))
            segments.append(replace(file.segment, file_name=names[file.number]))
            start = file.segment.last_template_id + 1
        if start <= self.position.last_template_id:
            segments.append(_to_be_built(start, self.position.last_template_id))
        return IndexState(self.kind, self.codec, self.position, tuple(segments), self.published_at, version)


@dataclass(frozen=True, slots=True)
class PublishedInfo:
    """What is published. fits: it is of the gallery's kind and codec. last_template_id: the highest that the files
    reach. templates: in them; lacking: stored ones that are in none. bytes: that the files take in the database, with
    what the server needs for them."""

    kind: str
    codec: str
    fits: bool
    last_template_id: int
    published_at: int
    files: int
    templates: int
    lacking: int
    bytes: int


class PublishedRole(Protocol):
    """The index files that are published. With a template that is taken out, every file goes that may hold it; with
    another kind or codec of the gallery, all of them: in the same transaction, whoever it is that does so."""

    def info(self) -> PublishedInfo | None:
        """None where nothing is published, or nothing that this user may see."""
        ...

    def read(self) -> Publication | None:
        """The files that are published now; None as for `info`."""
        ...

    def content(self, file: PublishedFile) -> Iterator[bytes]:
        """The bytes of a file, piece by piece, each verified. They end early where it is taken away meanwhile.

        Raises `StoreError` where they are damaged.
        """
        ...

    def publish(self, state: IndexState, files: Mapping[str, BinaryIO], progress: Progress | None = None) -> bool:
        """Put valid index files of this machine in place of what is published; those that are there already stay.

        files: by name, open. progress: called with (bytes done, bytes in all). False, and what is published stays as it
        is, where the gallery has changed meanwhile so that the files are not to be published. Raises `StoreError`,
        `StoreBusyError` where another process publishes.
        """
        ...

    def withdraw(self) -> bool:
        """Delete all that is published; False where its bytes stay in pages of the server, because the user is not the
        owner of the tables. Raises as `publish` does."""
        ...

    def holding(self, template_ids: Collection[int]) -> int:
        """How many files may hold one of these templates, as far as this user may see any."""
        ...

    def problems(self) -> list[str]:
        """What is wrong with published files, in words."""
        ...


def _to_be_built(first_id: int, last_id: int) -> Segment:
    return Segment("", "", 0, first_id, last_id, 0)
