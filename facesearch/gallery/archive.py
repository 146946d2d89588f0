"""The backup archive: a ZIP file, uncompressed, of the files of a gallery and a manifest with their SHA-256.

    gallery.db                     the database, whole: nothing is left in a write-ahead log
    index-<16 hex digits>.faiss    the index files that are valid, if there are any (one at most in format 1)
    manifest.json                  {"format": 2, "files": [{"name", "bytes", "sha256"}, …], "about": {…}}, ≤ 64 KiB

Any program that reads ZIP shows and unpacks it. What is read here is exactly what is written here: these names in this
order, each once, stored and not compressed, one after the other from the first byte to the directory and nothing behind
it. So no path, link, bomb or hidden byte gets in, and nothing has to be believed before it is checked. The checksums
guard against damage, not against someone who can write the file.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import struct
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from facesearch.errors import BackupError
from facesearch.files.permissions import open_private
from facesearch.files.regular import open_regular

DATABASE = "gallery.db"
MANIFEST = "manifest.json"
FORMAT = 2
LARGEST_MANIFEST = 64 * 1024
INDEX_NAME = re.compile(r"index-[0-9a-f]{16}\.faiss")

_BLOCK = 1 << 20
_YEAR_10000 = 253_402_300_800  # epoch seconds
_LOCAL_HEADER = struct.Struct("<4s5H3L2H")  # as ZIP's specification (APPNOTE.TXT, 4.3.7) has it
_DIRECTORY_END = 22  # bytes, where there is no comment
_ZIP64_END = 56 + 20  # bytes of the two records before it in a large archive
_STRANGE = (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError, KeyError, struct.error)

Progress = Callable[[int, int], None]  # (bytes done, bytes in all)
About = Mapping[str, str | int | None]


@dataclass(frozen=True, slots=True)
class Member:
    """A file in the archive."""

    name: str
    bytes: int
    sha256: str  # lower-case hex


def write_archive(target: BinaryIO, files: Sequence[tuple[str, BinaryIO]], about: About, progress: Progress) -> None:
    """Write files (name, content) and the manifest. `about` is kept in the manifest. Raises OSError."""
    total = sum(os.fstat(content.fileno()).st_size for _, content in files)
    done = 0
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        members = []
        for name, content in files:
            digest, size = hashlib.sha256(), 0
            content.seek(0)
            with archive.open(_entry(name), "w", force_zip64=True) as member:
                while block := content.read(_BLOCK):
                    digest.update(block)
                    member.write(block)
                    size += len(block)
                    progress(done + size, total)
            done += size
            members.append(Member(name, size, digest.hexdigest()))
        manifest = {"format": FORMAT, "files": [asdict(member) for member in members], "about": dict(about)}
        with archive.open(_entry(MANIFEST), "w", force_zip64=True) as member:
            member.write(json.dumps(manifest, indent=1, sort_keys=True).encode("ascii"))


class Archive:
    """An archive whose form and manifest have been checked; made by `open_archive`."""

    def __init__(self, archive: zipfile.ZipFile, members: tuple[Member, ...], about: dict[str, Any]) -> None:
        self.members = members
        self.about = about
        self._archive = archive

    @property
    def made_at(self) -> int:
        """When the backup was made, epoch seconds; 0 where it does not say so."""
        return int(self.about.get("made_at", 0))

    def extract(self, folder: Path, progress: Progress) -> None:
        """Write the members into an empty folder, comparing them with the manifest; raises `BackupError`, OSError."""
        done, total = 0, sum(member.bytes for member in self.members)
        for member in self.members:
            digest = hashlib.sha256()
            with self._archive.open(member.name) as content, open_private(folder / member.name) as file:
                while block := content.read(_BLOCK):
                    digest.update(block)
                    file.write(block)
                    done += len(block)
                    progress(done, total)
            if digest.hexdigest() != member.sha256:
                raise BackupError(f"{member.name} in it is damaged: its SHA-256 is not that of the manifest")


@contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """Open an archive and check its form; raises `BackupError`, which names the file, in here and in the block."""
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:
            yield _checked(file, archive)
    except BackupError as error:
        raise BackupError(f"{path}: {error}") from error
    except _STRANGE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise BackupError(f"{path} is not a facesearch backup, or is damaged ({reason})") from error
    except OSError as error:
        if error.filename not in (None, path, str(path)):
            raise
        raise BackupError(f"{path} cannot be read ({(error.strerror or str(error)).lower()})") from error


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)  # of 1980-01-01: the same content gives the same archive
    entry.create_system, entry.external_attr = 3, 0o600 << 16  # a file that its owner may read and write
    return entry


def _checked(file: BinaryIO, archive: zipfile.ZipFile) -> Archive:
    entries = archive.infolist()
    names = [entry.filename for entry in entries]
    allowed = names[:1] == [DATABASE] and names[-1:] == [MANIFEST] and len(names) == len(set(names)) > 1
    if not allowed or not all(INDEX_NAME.fullmatch(name) for name in names[1:-1]):
        shown = ", ".join(ascii(name) for name in names[:3])
        raise BackupError(f"it does not hold what a backup holds, but {shown or 'nothing'}")
    _check_layout(file, archive, entries)
    manifest = entries[-1]
    if manifest.file_size > LARGEST_MANIFEST:
        raise BackupError("its manifest is too large")
    members, about = _parsed(archive.read(manifest))
    if [(member.name, member.bytes) for member in members] != [(e.filename, e.file_size) for e in entries[:-1]]:
        raise BackupError("its files are not those of its manifest")
    return Archive(archive, members, about)


def _check_layout(file: BinaryIO, archive: zipfile.ZipFile, entries: Sequence[zipfile.ZipInfo]) -> None:
    """The entries follow each other without gap, overlap or anything that is not stored as it is."""
    position = 0
    for entry in entries:
        plain = _entry(entry.filename)
        as_written = ("compress_type", "create_system", "external_attr", "flag_bits", "date_time", "comment")
        if any(getattr(entry, name) != getattr(plain, name) for name in as_written):
            raise BackupError(f"{entry.filename} in it is compressed, encrypted, a link or otherwise not a plain file")
        if entry.file_size != entry.compress_size or entry.header_offset != position:
            raise BackupError(f"{entry.filename} in it is not where or as long as it should be")
        file.seek(position)
        header = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
        signature, flags, method, crc, name_length, extra_length = (header[i] for i in (0, 2, 3, 6, 9, 10))
        name = file.read(name_length)
        if (signature, flags, method, crc, name) != (b"PK\3\4", 0, 0, entry.CRC, entry.filename.encode("ascii")):
            raise BackupError(f"{entry.filename} in it has two headers that differ")
        position += _LOCAL_HEADER.size + name_length + extra_length + entry.file_size
    directory = archive.start_dir
    rest = file.seek(0, os.SEEK_END) - directory
    sizes = sum(46 + len(entry.filename) + len(entry.extra) for entry in entries)
    if position != directory or archive.comment or rest not in (sizes + _DIRECTORY_END, sizes + _ZIP64_END + 22):
        raise BackupError("there is something in it that belongs to nothing")


def _is_time(value: object) -> bool:
    """Whether it is a time in epoch seconds that a calendar has."""
    return type(value) is int and 0 <= value < _YEAR_10000


def _parsed(text: bytes) -> tuple[tuple[Member, ...], dict[str, Any]]:
    try:
        manifest = json.loads(text)
        version, files, about = manifest["format"], manifest["files"], manifest["about"]
        members = tuple(Member(**each) for each in files)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise BackupError("its manifest is unreadable") from error
    if type(version) is not int or version > FORMAT:
        raise BackupError(f"its format {version!r} is not one that this version reads (up to {FORMAT}); upgrade")
    sound = all(
        isinstance(member.name, str)
        and type(member.bytes) is int
        and isinstance(member.sha256, str)
        and re.fullmatch(r"[0-9a-f]{64}", member.sha256)
        for member in members
    )
    if not sound or not isinstance(about, dict) or not _is_time(about.get("made_at", 0)):
        raise BackupError("its manifest is not what a backup has")
    return members, about
