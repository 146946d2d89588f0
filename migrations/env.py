"""Alembic's entry point.

The identity store hands over an open connection inside its own transaction, so that a migration happens as a whole or
not at all. Run by hand (`alembic -x gallery=DIR upgrade head`, or `-x gallery=URL`), it opens the database itself.

Galleries on PostgreSQL begin at revision 0014 or later, with the tables of the models of their time. Migrations from
0015 on run on both databases: where types or checksums differ (see `facesearch.store.postgresql.tables` and
`facesearch.store.sql.expressions`), they ask `op.get_bind().dialect.name`.
"""

from __future__ import annotations

from pathlib import Path

from alembic import context
from sqlalchemy import Connection, create_engine

from facesearch.store import is_address
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
        raise SystemExit("say which gallery to migrate: alembic -x gallery=DIR (or URL) …")
    if is_address(gallery):
        from facesearch.store.postgresql.address import Address
        from facesearch.store.postgresql.connection import server_engine, writing

        engine = writing(server_engine(Address.of(gallery)))
    else:
        engine = create_engine(f"sqlite:///{Path(gallery) / 'gallery.db'}")
    with engine.begin() as opened:
        migrate(opened)
    engine.dispose()
