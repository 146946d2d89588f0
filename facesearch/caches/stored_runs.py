"""Taking people out of stored runs: of the hardest errors and failures, what names them goes; figures stay.

Runs name photos by their paths within a data set, whose folder they note as it was typed. An entry is somebody's if it
has their name, if the path of one of their photos ends in it, or if the file is there and has the content of one.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Container
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facesearch.errors import UnreadableImageError
from facesearch.files.durable import write_atomically
from facesearch.files.regular import open_regular
from facesearch.photos.decoding import read_bytes, sha256

_LARGEST = 64 * 2**20  # bytes of a run's file that are read


@dataclass(frozen=True, slots=True)
class Theirs:
    """What people are known by: their names, and the paths and contents (SHA-256) of their photos."""

    names: Collection[str]
    paths: Collection[str]
    contents: Container[bytes]


class RunPurger:
    """Goes through files of runs; looks at each photo once."""

    def __init__(self, theirs: Theirs) -> None:
        self._theirs = theirs
        self._known: dict[Path, bool] = {}
        self._ends = {end for path in theirs.paths for end in _ends(path)}

    def purge(self, path: Path) -> int:
        """Write a run anew without entries that are theirs; returns how many these were.

        Raises `OSError`, and `ValueError` for a file that is no run.
        """
        with open_regular(path) as file:
            data = file.read(_LARGEST + 1)
        if len(data) > _LARGEST:
            raise ValueError("it is too large for a run")
        try:
            run = json.loads(data.decode("utf-8", "surrogateescape"))
        except RecursionError:
            raise ValueError("it is nested too deeply") from None
        if not isinstance(run, dict) or not isinstance(run.get("rows"), list):
            raise ValueError("it is no run")
        dataset = run.get("dataset")
        folder = Path(str(dataset.get("folder", ""))) if isinstance(dataset, dict) else Path()
        gone = self._thin(run, "failures", folder)
        for row in run["rows"]:
            if isinstance(row, dict):
                gone += self._thin(row, "hardest", folder)
        if gone:
            text = json.dumps(run, allow_nan=False) + "\n"
            write_atomically(path, lambda file: file.write(text.encode("utf-8", "surrogateescape")))
        return gone

    def _thin(self, holder: dict[str, Any], name: str, folder: Path) -> int:
        entries = holder.get(name)
        if not isinstance(entries, list):
            return 0
        kept = [entry for entry in entries if not (isinstance(entry, dict) and self._is_theirs(entry, folder))]
        holder[name] = kept
        return len(entries) - len(kept)

    def _is_theirs(self, entry: dict[str, Any], folder: Path) -> bool:
        if any(entry.get(key) in self._theirs.names for key in ("identity", "found_identity")):
            return True
        return any(self._shows(str(entry[key]), folder) for key in ("probe", "found", "path") if entry.get(key))

    def _shows(self, path: str, folder: Path) -> bool:
        if Path(path).as_posix() in self._ends:
            return True
        file = folder / path
        if file not in self._known:
            try:
                self._known[file] = sha256(read_bytes(file)) in self._theirs.contents
            except UnreadableImageError:  # gone, or no photo any more
                self._known[file] = False
        return self._known[file]


def _ends(path: str) -> list[str]:
    """The whole of a path, and its ends of at least a folder and a file."""
    parts = Path(path).parts
    return [path, *("/".join(parts[start:]) for start in range(1, len(parts) - 1))]
