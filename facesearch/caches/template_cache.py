"""What was computed of photos, kept in files: rows of numbers under the SHA-256 of the photo's content.

A folder of *shards*, `<first 32 hex digits of its own SHA-256>.safetensors`, of some hundred photos each: whoever is
interrupted keeps all finished ones. Each holds `sha256` (n, 32) uint8, `values` (n, width) and `reasons` (JSON, uint8),
why a photo has no values ("": it has). A shard whose content does not fit its name is deleted and done again.

The format is safetensors because its reader, a small package that needs only NumPy, checks every length before it
trusts one, and because others can read the files too; nothing is ever unpickled.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Container, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from facesearch.errors import FacesearchError
from facesearch.files.durable import remove_files, write_atomically
from facesearch.files.locations import make_own_folder

_log = logging.getLogger("facesearch")

Values = npt.NDArray[np.float32] | npt.NDArray[np.float64]
Entry = npt.NDArray[np.float32] | npt.NDArray[np.float64] | str  # a row, or the reason why there is none


class Shards:
    """All that is known of photos under one key; `folder` is made when the first shard is written."""

    def __init__(self, folder: Path, width: int, dtype: npt.DTypeLike) -> None:
        self._folder, self._width, self._dtype = folder, width, np.dtype(dtype)

    def read(self) -> dict[bytes, Entry]:
        """Every photo's row or reason, by the SHA-256 of its content."""
        found: dict[bytes, Entry] = {}
        for path in self._files():
            for content, entry in self._entries(path):
                found[content] = entry
        return found

    def write(self, entries: Sequence[tuple[bytes, Entry]]) -> None:
        """Keep more photos, whole or not at all."""
        from safetensors.numpy import save

        values = np.zeros((len(entries), self._width), self._dtype)
        for place, (_, entry) in enumerate(entries):
            if not isinstance(entry, str):
                values[place] = entry
        reasons = [entry if isinstance(entry, str) else "" for _, entry in entries]
        data = save(
            {
                "sha256": np.frombuffer(b"".join(content for content, _ in entries), np.uint8).reshape(-1, 32),
                "values": values,
                "reasons": np.frombuffer(json.dumps(reasons).encode("ascii"), np.uint8),
            }
        )
        try:
            make_own_folder(self._folder)
            write_atomically(self._folder / _name(data), lambda file: file.write(data))
        except OSError as error:
            reason = (error.strerror or "error").lower()
            raise FacesearchError(f"the cache {self._folder} cannot be written ({reason})") from None

    def _files(self) -> list[Path]:
        try:
            return sorted(path for path in self._folder.iterdir() if path.suffix == ".safetensors")
        except (FileNotFoundError, NotADirectoryError):
            return []

    def _entries(self, path: Path) -> Iterator[tuple[bytes, Entry]]:
        try:
            contents, values, reasons = _tensors(path)
            if values.shape[1] != self._width:
                raise ValueError("its shape differs")
            if values.dtype != self._dtype:
                raise ValueError("its type differs")
        except FileNotFoundError:  # taken away after the folder was read
            return
        except (OSError, ValueError) as error:
            _log.warning("%s is damaged (%s); what it held is computed again", path, error)
            path.unlink(missing_ok=True)
            return
        for content, row, reason in zip(contents, values, reasons, strict=True):
            yield content.tobytes(), reason or row

    @classmethod
    def purge(cls, path: Path, contents: Container[bytes]) -> int | None:
        """Take rows of photos with these SHA-256 out of a shard, which is written anew before the old file goes.

        Returns how many rows; None for a shard that cannot be read, and may hold them: it is deleted. Raises `OSError`.
        """
        try:
            held, values, reasons = _tensors(path)
        except ValueError:
            path.unlink(missing_ok=True)
            return None
        kept = [
            (content.tobytes(), reason or row)
            for content, row, reason in zip(held, values, reasons, strict=True)
            if content.tobytes() not in contents
        ]
        if len(kept) == len(held):
            return 0
        if kept:
            try:
                cls(path.parent, values.shape[1], values.dtype).write(kept)
            except FacesearchError:  # a full disk: forgetting needs no room
                _log.warning("%s cannot be written anew; what it held is computed again", path)
        remove_files([path])
        return len(held) - len(kept)


def contents(path: Path) -> list[bytes]:
    """The SHA-256 of the photos that a shard holds values of; raises `ValueError` for a damaged one, `OSError`."""
    held, _, reasons = _tensors(path)
    return [content.tobytes() for content, reason in zip(held, reasons, strict=True) if not reason]


def _tensors(path: Path) -> tuple[npt.NDArray[np.uint8], npt.NDArray[Any], list[str]]:
    """Contents (n, 32), values (n, width), reasons (n,); raises `ValueError` for a damaged shard, `OSError`."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    data = path.read_bytes()
    if _name(data) != path.name:
        raise ValueError("its SHA-256 differs")
    try:
        tensors = load(data)
        held, values = tensors["sha256"], tensors["values"]
        reasons = json.loads(tensors["reasons"].tobytes())
    except (ValueError, KeyError, SafetensorError, RecursionError) as error:
        raise ValueError(f"it cannot be read: {error}") from None
    if not isinstance(reasons, list) or values.ndim != 2 or held.dtype != np.uint8:
        raise ValueError("its type differs")
    if len(values) != len(reasons) or held.shape != (len(reasons), 32):
        raise ValueError("its shape differs")
    return held, values, reasons


def _name(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32] + ".safetensors"
