"""Tests that were written for a gallery in a folder, with the gallery on a server instead.

`folder` stays what the tests know it by, and is where the index files lie.
"""

from __future__ import annotations

import itertools
import os
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import psycopg
import pytest

from facesearch.gallery import opening, place
from facesearch.store import SqlStore, open_on_server
from facesearch.store.postgresql import store as server_store
from facesearch.store.postgresql.address import Address
from facesearch.store.postgresql.tables import server_tables

from . import doubles

_numbers = itertools.count(1)


def copy_gallery(source: Path, target: Path, server: Server | None) -> Path:
    """Copy a gallery that nobody has open."""
    return Path(shutil.copytree(source, target)) if server is None else server.copy(source, target)


class Server:
    """Galleries on a server, known by the folders that stand for them."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._folders: dict[str, Path] = {}  # by the name of the gallery

    def url(self, folder: str | os.PathLike[str]) -> str:
        """The gallery that a folder stands for, which may not be there yet."""
        path = Path(folder).absolute()
        name = next((name for name, known in self._folders.items() if known == path), None)
        if name is None:
            name = f"t{os.getpid()}_{next(_numbers)}"
            self._folders[name] = path
        return f"{self._url}&gallery={name}"

    def copy(self, source: Path, target: Path) -> Path:
        """Copy a gallery that nobody has open, with its index files."""
        old, new = (Address.of(self.url(folder)).gallery for folder in (source, target))
        shutil.copytree(source, target)
        open_on_server(self.url(target)).close()
        with psycopg.connect(self._url) as connection:
            for table in server_tables().sorted_tables:
                connection.execute(f"DELETE FROM {new}.{table.name}".encode())
            for table in server_tables().sorted_tables:
                connection.execute(f"INSERT INTO {new}.{table.name} SELECT * FROM {old}.{table.name}".encode())
        return target

    def put_in_place(self, patch: pytest.MonkeyPatch, module: ModuleType | None = None) -> None:
        """From now on, folders stand for galleries here; module: of the test."""
        for asking in (opening, place):
            patch.setattr(asking, "place_of", self.url)
        patch.setattr(server_store, "projection_folder", lambda address, which: self._folders[address.gallery])
        for each in (doubles, module):
            if hasattr(each, "open_store"):
                patch.setattr(each, "open_store", self._open_store)

    def _open_store(self, folder: str | os.PathLike[str], **options: Any) -> SqlStore:
        return open_on_server(self.url(folder), **options)
