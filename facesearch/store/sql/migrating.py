"""Running Alembic's migrations, which is imported only then, and revisions that are known."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Connection

from facesearch.errors import NewerSchemaError, StoreError
from facesearch.store.sql.models import REVISIONS

# Alembic hands the running migration around in module globals.
_one_migration_at_a_time = threading.Lock()


def migrations_folder() -> Path:
    """Where the migrations are: inside an installed package, or at the root of a checkout."""
    here = Path(__file__)
    installed = here.parents[2] / "migrations"
    return installed if installed.is_dir() else here.parents[3] / "migrations"


def known_revision(found: Sequence[object], where: str) -> str:
    """The revision that a database says it is at, from the rows of Alembic's table; raises `StoreError`,
    `NewerSchemaError`."""
    if len(found) != 1 or not isinstance(found[0], str) or not found[0].isascii() or not found[0].isalnum():
        raise StoreError(f"{where} is damaged: it does not say its version; restore it from a backup")
    if found[0] not in REVISIONS:
        raise NewerSchemaError(
            f"{where} was written by a newer facesearch (schema {found[0]}, this version knows {REVISIONS[-1]}); "
            "upgrade facesearch"
        )
    return found[0]


def upgrade(connection: Connection, revision: str) -> None:
    """Run the migrations up to `revision` inside the transaction of `connection`."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    config.attributes["connection"] = connection
    with _one_migration_at_a_time:
        command.upgrade(config, revision)
