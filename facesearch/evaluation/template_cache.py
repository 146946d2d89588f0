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
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from facesearch.errors import FacesearchError
from facesearch.files.durable import write_atomically
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
        from safetensors import SafetensorError
        from safetensors.numpy import load

        try:
            data = path.read_bytes()
            if _name(data) != path.name:
                raise ValueError("its SHA-256 differs")
            tensors = load(data)
            contents, values = tensors["sha256"], tensors["values"]
            reasons = json.loads(tensors["reasons"].tobytes())
            if values.shape != (len(reasons), self._width) or contents.shape != (len(reasons), 32):
                raise ValueError("its shape differs")
            if values.dtype != self._dtype or contents.dtype != np.uint8:
                raise ValueError("its type differs")
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            _log.warning("%s is damaged (%s); what it held is computed again", path, error)
            path.unlink(missing_ok=True)
            return
        for content, row, reason in zip(contents, values, reasons, strict=True):
            yield content.tobytes(), reason or row


def _name(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32] + ".safetensors"
