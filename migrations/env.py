"""Alembic's entry point.

The identity store hands over an open connection inside its own transaction, so that a migration happens as a whole or
not at all. Run by hand (`alembic -x gallery=DIR upgrade head`), it opens the database itself.
"""

from __future__ import annotations

from pathlib import Path

from alembic import context
from sqlalchemy import Connection, create_engine

from facesearch.store.sql.models import Base


def migrate(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()


handed_over: Connection | None = context.config.attributes.get("connection")
if handed_over is not None:
    migrate(handed_over)
else:
    gallery = context.get_x_argument(as_dictionary=True).get("gallery")
    if gallery is None:
        raise SystemExit("say which gallery to migrate: alembic -x gallery=DIR …")
    engine = create_engine(f"sqlite:///{Path(gallery) / 'gallery.db'}")
    with engine.begin() as opened:
        migrate(opened)
    engine.dispose()
