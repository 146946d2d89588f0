"""Durable changes of files for all of facesearch; they are told in `indexes.files`.

`indexes` is a package of its own and needs them too, so they stand there, once; the layers below the gallery know
nothing else of it.
"""

from __future__ import annotations

from indexes.files import (
    TEMPORARY,
    old_name,
    put_file,
    put_folder,
    remove_files,
    remove_leftovers,
    staged_file,
    sync,
    temporary_name,
    write_atomically,
)

__all__ = [
    "TEMPORARY",
    "old_name",
    "put_file",
    "put_folder",
    "remove_files",
    "remove_leftovers",
    "staged_file",
    "sync",
    "temporary_name",
    "write_atomically",
]
