"""The index file: FAISS's bytes, then a footer that says what they are and proves that they are unaltered.

    FAISS bytes | footer, JSON | footer length, 8 bytes little-endian | magic, 8 bytes

The FAISS bytes stand first, so that FAISS can map the file into memory as it is. The footer is at most 64 KiB of
canonical JSON (sorted keys, no spaces) with the keys of `Footer` and `footer_sha256`, the checksum of the footer
without that key. FAISS itself reads flipped bytes without a murmur, hence the checksums, which are verified before it
sees anything. They guard against damage, not against someone who can write the file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar

from indexes.errors import DamagedIndexError, MissingIndexError
from indexes.files import write_atomically
from indexes.protocol import ReadBytes, StrPath

MAGIC = b"FSINDEX\x01"
FORMAT = 1
LARGEST_FOOTER = 64 * 1024
_LENGTH_BYTES = 8
_TAIL_BYTES = _LENGTH_BYTES + len(MAGIC)
_BLOCK = 1 << 20

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Footer:
    """What the file says about itself."""

    format: int
    kind: str
    dimension: int
    rows: int
    raw_bytes: int  # length of the FAISS part
    sha256: str  # of the FAISS part, lower-case hex


@dataclass(frozen=True, slots=True)
class SavedIndex:
    """What `save` wrote; `sha256` is that of the footer, over the FAISS part."""

    path: Path
    sha256: str
    rows: int
    size_bytes: int  # of the whole file


def write_container(
    path: StrPath, kind: str, dimension: int, rows: int, write_raw: Callable[[Callable[[bytes], None]], None]
) -> SavedIndex:
    """Write an index file atomically. write_raw gets a sink and passes it the FAISS part, piece by piece."""
    target = Path(path)

    def write(file: BinaryIO) -> SavedIndex:
        digest, raw_bytes = hashlib.sha256(), 0

        def sink(piece: bytes) -> None:
            nonlocal raw_bytes
            digest.update(piece)
            raw_bytes += len(piece)
            file.write(piece)

        write_raw(sink)
        sha256 = digest.hexdigest()
        footer = _encoded(Footer(FORMAT, kind, dimension, rows, raw_bytes, sha256))
        file.write(footer + len(footer).to_bytes(_LENGTH_BYTES, "little") + MAGIC)
        return SavedIndex(target, sha256, rows, raw_bytes + len(footer) + _TAIL_BYTES)

    return write_atomically(target, write)


def read_footer(path: StrPath) -> Footer:
    """Read and check the footer alone, without the FAISS part: cheap, and enough to compare `sha256` with a note of it.

    Raises DamagedIndexError (MissingIndexError where there is no file), naming the file.
    """
    return _reading(Path(path), _footer)


def read_container(path: StrPath, read_raw: Callable[[Footer, ReadBytes], T]) -> T:
    """Check the whole file, then let read_raw read the FAISS part; return what it returns.

    The file stays open in between: what was checked is what is read, even while the path is being replaced.
    Raises DamagedIndexError (MissingIndexError where there is no file), naming the file.
    """

    def read(file: BinaryIO) -> T:
        footer = _footer(file)
        if _sha256(file, footer.raw_bytes) != footer.sha256:
            raise DamagedIndexError("the checksum of its contents is wrong")
        file.seek(0)
        left = footer.raw_bytes

        def read_bytes(count: int) -> bytes:
            nonlocal left
            piece = file.read(min(count, left))  # never on into the footer
            left -= len(piece)
            return piece

        result = read_raw(footer, read_bytes)
        if left:
            raise DamagedIndexError(f"{left} bytes of its contents belong to nothing")
        return result

    return _reading(Path(path), read)


def _reading(path: Path, read: Callable[[BinaryIO], T]) -> T:
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
    try:
        del fields["footer_sha256"]
        footer = Footer(**fields)
    except (KeyError, TypeError) as error:
        raise DamagedIndexError("its footer is incomplete") from error
    counts = (footer.format, footer.dimension, footer.rows, footer.raw_bytes)
    if not (
        all(type(count) is int and count >= 0 for count in counts)
        and all(type(name) is str for name in (footer.kind, footer.sha256))
        and footer.format == FORMAT
        # Canonical bytes admit one spelling only, so that no altered byte can hide, not even inside the checksum.
        and _encoded(footer) == text
    ):
        raise DamagedIndexError("its footer is altered")
    return footer


def _canonical(fields: dict[str, object]) -> bytes:
    return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode("ascii")


def _sha256(file: BinaryIO, count: int) -> str:
    """Checksum of the first count bytes, read in blocks: an index may be larger than the free memory."""
    digest = hashlib.sha256()
    file.seek(0)
    while count and (block := file.read(min(_BLOCK, count))):
        digest.update(block)
        count -= len(block)
    return digest.hexdigest()
