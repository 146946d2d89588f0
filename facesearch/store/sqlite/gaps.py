"""What SQLite keeps of rows that were deleted: bytes in the gaps of its pages.

`secure_delete` overwrites a row where it stood last. But when a page is split, or joined with its neighbours, rows
move, and the bytes they had before stay between the rows of the old page until something else is written there. Reading
the gaps of a whole file is cheap, because pages that were only filled from one end have none but zeros; `VACUUM`, which
writes the whole file anew, is what removes them.

Format of the file: https://www.sqlite.org/fileformat2.html (sections 1.3 and 1.6).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np

_BLOCK = 1 << 22  # bytes read at a time
_HEADERS = {2: 12, 5: 12, 10: 8, 13: 8}  # bytes of the header of a B-tree page, by its kind
_FILE_HEADER = 100
_MOST_COMPARED = 4 << 30  # bytes compared with traces, all together: beyond that VACUUM is faster
_ZEROS = bytes(65_536)

# On POSIX systems a process that closes a file loses all its locks on it, those of SQLite in the same process too. So
# a database is opened once and never closed; one that was deleted meanwhile is another file.
_opened: dict[tuple[int, int], int] = {}
_opening = threading.Lock()


def any_left(path: Path, traces: Collection[bytes]) -> bool:
    """Whether the gaps of a database file hold one of these traces; raises OSError.

    True also where there is too much of both to be compared.
    """
    if not traces:
        return False
    gaps = b"\0".join(_gaps(path))
    return len(gaps) * len(traces) > _MOST_COMPARED or any(trace in gaps for trace in traces)


def _gaps(path: Path) -> Iterator[bytes]:
    """The bytes of all gaps but those that are zero throughout; of pages that are no B-tree's, all."""
    header = next(_blocks(path, _FILE_HEADER), b"")
    if len(header) < _FILE_HEADER:
        return
    size = int.from_bytes(header[16:18], "big")
    size = 65_536 if size == 1 else size
    if size < 512 or size & (size - 1):
        return
    for number, block in enumerate(_blocks(path, _BLOCK)):
        whole = block[: len(block) - len(block) % size]
        if not whole:
            return
        for gap in _gaps_of(whole, size, header[20], number == 0):
            if not _ZEROS.startswith(gap):
                yield gap


def _gaps_of(block: bytes, size: int, reserved: int, is_first: bool) -> Iterator[bytes]:
    pages = np.frombuffer(block, np.uint8).reshape(-1, size)
    heads = pages[:, :8].astype(np.int64)  # (n, 8)
    before = np.zeros(len(pages), np.int64)
    if is_first:
        heads[0], before[0] = pages[0, _FILE_HEADER : _FILE_HEADER + 8], _FILE_HEADER
    lengths = np.zeros(256, np.int64)
    lengths[list(_HEADERS)] = list(_HEADERS.values())
    header = lengths[heads[:, 0]]
    free, cells, content = (256 * heads[:, place] + heads[:, place + 1] for place in (1, 3, 5))
    content[content == 0] = 65_536
    start = before + header + 2 * cells
    stop = np.minimum(content, size - reserved)
    is_tree = (header > 0) & (start <= stop)
    start[~is_tree], stop[~is_tree], free[~is_tree] = 0, size, 0
    for page in np.flatnonzero((stop > start) | (free > 0)).tolist():
        place = page * size
        yield block[place + start[page] : place + stop[page]]
        at = int(free[page])
        while 0 < at <= size - 4:  # the chain of freed cells goes upwards
            following, length = (int.from_bytes(block[place + at + i : place + at + i + 2], "big") for i in (0, 2))
            yield block[place + at + 4 : place + at + length]
            at = following if following > at else 0


def _blocks(path: Path, size: int) -> Iterator[bytes]:
    with _opening:
        found = path.stat()
        descriptor = _opened.get((found.st_dev, found.st_ino))
        if descriptor is None:
            descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
            _opened[found.st_dev, found.st_ino] = descriptor
    at = 0
    while True:
        with _opening:
            os.lseek(descriptor, at, os.SEEK_SET)
            block = os.read(descriptor, size)
        if not block:
            return
        yield block
        at += len(block)
