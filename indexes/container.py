"""The index file: sections of bytes, then a footer that says what they are and proves that they are unaltered.

    section | section | … | footer, JSON | footer length, 8 bytes little-endian | magic, 8 bytes

Every section starts at a multiple of 64 bytes, with zeros in between, so that the file can be mapped into memory and
looked into as it is. The footer is at most 64 KiB of canonical JSON (sorted keys, no spaces) with the keys of `Footer`
and `footer_sha256`, the checksum of the footer without that key. FAISS itself reads flipped bytes without a murmur,
hence the checksums, which are verified before it sees anything. They guard against damage, not against someone who can
write the file.

The contents' checksum is the SHA-256 of the SHA-256s of its blocks of 4 MiB, so that all cores can verify a large file.
"""

from __future__ import annotations

import hashlib
import io
import json
import mmap
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from io import BufferedReader
from pathlib import Path
from threading import Lock
from typing import BinaryIO, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from facesearch.files.durable import write_atomically
from indexes.errors import DamagedIndexError, MissingIndexError, VectorIndexError

MAGIC = b"FSINDEX\x01"
FORMAT = 2
LARGEST_FOOTER = 64 * 1024
BLOCK = 1 << 22
_ALIGNMENT = 64
_LENGTH_BYTES = 8
_TAIL_BYTES = _LENGTH_BYTES + len(MAGIC)

StrPath: TypeAlias = str | os.PathLike[str]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Footer:
    """What the file says about itself."""

    format: int
    kind: str
    dimension: int
    rows: int
    sections: tuple[tuple[str, int, int], ...]  # name, first byte, length
    raw_bytes: int  # length of the contents: all before the footer
    sha256: str  # of the contents, see above, lower-case hex


@dataclass(frozen=True, slots=True)
class SavedIndex:
    """What `save` wrote; `sha256` is that of the footer, over the contents."""

    path: Path
    sha256: str
    rows: int
    size_bytes: int  # of the whole file


class SectionWriter:
    """Takes the contents of a file, section by section."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._sections: list[tuple[str, int]] = []  # name, first byte
        self._lengths: list[int] = []
        self._written = 0
        self._blocks = hashlib.sha256()
        self._block, self._in_block = hashlib.sha256(), 0

    def section(self, name: str) -> Callable[[bytes], None]:
        """Begin a section; returns the function that takes its bytes, piece by piece."""
        self._write(bytes(-self._written % _ALIGNMENT))
        self._sections.append((name, self._written))
        self._lengths.append(0)

        def sink(piece: bytes) -> None:
            self._lengths[-1] += len(piece)
            self._write(piece)

        return sink

    def array(self, name: str, values: NDArray[np.generic]) -> None:
        """Write a section that is an array's bytes, little-endian, in C order."""
        plain = np.ascontiguousarray(values).astype(values.dtype.newbyteorder("<"), copy=False)
        self.section(name)(memoryview(plain.reshape(-1).view(np.uint8)))  # type: ignore[arg-type]

    def finish(self) -> tuple[tuple[tuple[str, int, int], ...], int, str]:
        """The sections, the number of bytes, and their checksum."""
        self._end_block()
        lengths = zip(self._sections, self._lengths, strict=True)
        sections = tuple((name, first, length) for (name, first), length in lengths)
        return sections, self._written, self._blocks.hexdigest()

    def _write(self, piece: bytes) -> None:
        self._file.write(piece)
        view = memoryview(piece)
        self._written += len(view)
        while len(view):
            part = view[: BLOCK - self._in_block]
            self._block.update(part)
            self._in_block += len(part)
            view = view[len(part) :]
            if self._in_block == BLOCK:
                self._end_block()

    def _end_block(self) -> None:
        if self._in_block:
            self._blocks.update(self._block.digest())
            self._block, self._in_block = hashlib.sha256(), 0


class SectionReader:
    """The sections of a verified file, in place: their pages are read when they are looked at."""

    def __init__(self, content: NDArray[np.uint8], footer: Footer) -> None:
        self._content = content
        self._places = {name: (first, length) for name, first, length in footer.sections}
        self._unread = set(self._places)

    def has(self, name: str) -> bool:
        """Whether there is a section of that name."""
        return name in self._places

    def section(self, name: str) -> NDArray[np.uint8]:
        """The bytes of a section, read-only; raises VectorIndexError if there is none of that name."""
        if name not in self._places:
            raise VectorIndexError(f"its part {name} is missing")
        self._unread.discard(name)
        first, length = self._places[name]
        return self._content[first : first + length]

    def array(self, name: str, dtype: str, shape: tuple[int, ...]) -> NDArray[np.generic]:
        """The array that a section holds; raises VectorIndexError where its size is another."""
        content = self.section(name)
        kind = np.dtype(dtype)
        if content.size != kind.itemsize * int(np.prod(shape, dtype=np.int64)):
            raise VectorIndexError(f"its part {name} is not of the size that its kind and dimension say")
        return content.view(kind).reshape(shape)

    @property
    def unread(self) -> list[str]:
        """Sections that nobody asked for."""
        return sorted(self._unread)


def write_container(
    path: StrPath, kind: str, dimension: int, rows: int, write: Callable[[SectionWriter], None]
) -> SavedIndex:
    """Write an index file atomically; `write` passes its sections to the writer it gets."""
    target = Path(path)

    def write_file(file: BinaryIO) -> SavedIndex:
        footer, size = _write(file, kind, dimension, rows, write)
        return SavedIndex(target, footer.sha256, rows, size)

    return write_atomically(target, write_file)


def container_bytes(kind: str, dimension: int, write: Callable[[SectionWriter], None]) -> bytes:
    """The same file in memory, for something without rows."""
    file = io.BytesIO()
    _write(file, kind, dimension, 0, write)
    return file.getvalue()


def read_container_bytes(content: bytes, read: Callable[[Footer, SectionReader], T]) -> T:
    """Check `container_bytes`, then let `read` look into the sections. Raises DamagedIndexError."""
    footer = _footer(io.BytesIO(content))
    blocks = (content[first : min(first + BLOCK, footer.raw_bytes)] for first in range(0, footer.raw_bytes, BLOCK))
    checksum = hashlib.sha256(b"".join(hashlib.sha256(block).digest() for block in blocks)).hexdigest()
    if checksum != footer.sha256:
        raise DamagedIndexError("the checksum of its contents is wrong")
    return _all_read(footer, SectionReader(np.frombuffer(content, np.uint8), footer), read)


def _write(
    file: BinaryIO, kind: str, dimension: int, rows: int, write: Callable[[SectionWriter], None]
) -> tuple[Footer, int]:
    writer = SectionWriter(file)
    write(writer)
    sections, raw_bytes, sha256 = writer.finish()
    footer = Footer(FORMAT, kind, dimension, rows, sections, raw_bytes, sha256)
    text = _encoded(footer)
    file.write(text + len(text).to_bytes(_LENGTH_BYTES, "little") + MAGIC)
    return footer, raw_bytes + len(text) + _TAIL_BYTES


def _all_read(footer: Footer, sections: SectionReader, read: Callable[[Footer, SectionReader], T]) -> T:
    result = read(footer, sections)
    if sections.unread:
        raise DamagedIndexError(f"its part {sections.unread[0]} belongs to nothing")
    return result


def read_footer(path: StrPath) -> Footer:
    """Read and check the footer alone, without the contents: cheap, and enough to compare `sha256` with a note of it.

    Raises DamagedIndexError (MissingIndexError where there is no file), naming the file.
    """
    return _reading(Path(path), _footer)


def read_container(path: StrPath, read: Callable[[Footer, SectionReader], T]) -> T:
    """Check the whole file, then let `read` look into its sections; return what it returns.

    What was checked is what is read, even while the path is being replaced: the file is mapped into memory, which keeps
    it for as long as anything looks into it.
    Raises DamagedIndexError (MissingIndexError where there is no file), naming the file.
    """

    def read_file(file: BufferedReader) -> T:
        footer = _footer(file)
        if _checksum(file, footer.raw_bytes) != footer.sha256:
            raise DamagedIndexError("the checksum of its contents is wrong")
        content = np.empty(0, np.uint8)
        if footer.raw_bytes:
            mapped = mmap.mmap(file.fileno(), footer.raw_bytes, access=mmap.ACCESS_READ)
            content = np.frombuffer(mapped, np.uint8)
        result = _all_read(footer, SectionReader(content, footer), read)
        if footer.raw_bytes:
            _let_go(mapped)
        return result

    return _reading(Path(path), read_file)


def _let_go(mapped: mmap.mmap) -> None:
    """Pages that opening looked at need not stay in this program's memory: they come back when they are needed."""
    if sys.platform != "win32":  # there, the system takes them back by itself
        mapped.madvise(mmap.MADV_DONTNEED)


def _reading(path: Path, read: Callable[[BufferedReader], T]) -> T:
    """Open path and read it; every failure becomes one line that names the file."""
    try:
        if path.exists() and not path.is_file():  # a folder; a pipe, which would block
            raise DamagedIndexError("not a file")
        with path.open("rb") as file:
            return read(file)
    except FileNotFoundError as error:
        raise MissingIndexError(f"index file {path}: there is no such file") from error
    except DamagedIndexError as error:
        raise DamagedIndexError(f"index file {path}: {error}") from error
    except OSError as error:
        raise DamagedIndexError(f"index file {path}: cannot be read ({error.strerror or error})") from error


def _footer(file: BinaryIO) -> Footer:
    size = file.seek(0, 2)
    if size < _TAIL_BYTES:
        raise DamagedIndexError("not an index file, or cut short")
    file.seek(size - _TAIL_BYTES)
    tail = file.read(_TAIL_BYTES)
    if tail[_LENGTH_BYTES:] != MAGIC:
        raise DamagedIndexError("not an index file, or cut short")
    length = int.from_bytes(tail[:_LENGTH_BYTES], "little")
    if not 0 < length <= min(LARGEST_FOOTER, size - _TAIL_BYTES):
        raise DamagedIndexError("the length of its footer is impossible")
    file.seek(size - _TAIL_BYTES - length)
    footer = _decoded(file.read(length))
    if footer.raw_bytes != size - _TAIL_BYTES - length:
        raise DamagedIndexError("its size is not what its footer says")
    return footer


def _encoded(footer: Footer) -> bytes:
    checksum = hashlib.sha256(_canonical(asdict(footer))).hexdigest()
    return _canonical({**asdict(footer), "footer_sha256": checksum})


def _decoded(text: bytes) -> Footer:
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DamagedIndexError("its footer is unreadable") from error
    version = fields.get("format") if isinstance(fields, dict) else None
    if type(version) is int and version > FORMAT:
        raise DamagedIndexError(f"its format {version} is newer than {FORMAT}, the newest that this version reads")
    if version == 1:
        raise DamagedIndexError("its format 1 is from before the first release: it has to be built anew")
    try:
        del fields["footer_sha256"]
        fields["sections"] = tuple(tuple(section) for section in fields["sections"])
        footer = Footer(**fields)
    except (KeyError, TypeError) as error:
        raise DamagedIndexError("its footer is incomplete") from error
    counts = (footer.format, footer.dimension, footer.rows, footer.raw_bytes)
    if not (
        all(type(count) is int and count >= 0 for count in counts)
        and all(type(name) is str for name in (footer.kind, footer.sha256))
        and footer.format == FORMAT
        and all(_is_section(section, footer.raw_bytes) for section in footer.sections)
        # Canonical bytes admit one spelling only, so that no altered byte can hide, not even inside the checksum.
        and _encoded(footer) == text
    ):
        raise DamagedIndexError("its footer is altered")
    return footer


def _is_section(section: tuple[object, ...], raw_bytes: int) -> bool:
    if len(section) != 3:
        return False
    name, first, length = section
    if not (type(name) is str and type(first) is int and type(length) is int):
        return False
    return first >= 0 and length >= 0 and first % _ALIGNMENT == 0 and first + length <= raw_bytes


def _canonical(fields: dict[str, object]) -> bytes:
    return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode("ascii")


def _checksum(file: BufferedReader, count: int) -> str:
    """Checksum of the first count bytes. Read, not mapped: verified pages should not count as this program's memory.

    Threads take turns at reading the next block, each into memory of its own, and hash at the same time.
    """
    firsts = range(0, count, BLOCK)
    digests = [b""] * len(firsts)
    following, turn = iter(enumerate(firsts)), Lock()
    file.seek(0)

    def digest_some() -> None:
        memory = np.empty(min(BLOCK, count), np.uint8).data
        while True:
            with turn:
                number, first = next(following, (-1, count))
                block = memory[: min(BLOCK, count - first)]
                if number < 0 or file.readinto(block) < len(block):  # all done, or the file was cut short meanwhile
                    return
            digests[number] = hashlib.sha256(block).digest()  # releases the interpreter lock

    hashing = min(len(firsts), os.cpu_count() or 1)
    if hashing > 1:
        with ThreadPoolExecutor(hashing) as pool:
            for done in [pool.submit(digest_some) for _ in range(hashing)]:
                done.result()
    else:
        digest_some()
    return hashlib.sha256(b"".join(digests)).hexdigest()
