"""The tables of a gallery on a server: those of the models, and what PostgreSQL has no other way for."""

from __future__ import annotations

from functools import cache

from sqlalchemy import BigInteger, Column, LargeBinary, MetaData, Table, Text, event
from sqlalchemy.schema import DDL

from facesearch.store.sql.models import Base

_CODES = ("templates", "set_aside", "negatives", "unknown_faces")
# Codes stand in the row itself, and it is not tried in vain to compress them.
_INLINE = ("ALTER COLUMN code SET STORAGE EXTERNAL", "SET (toast_tuple_target = 8160)")


@cache
def server_tables() -> MetaData:
    """The tables as they are created on a server.

    No column counts up by itself: sequences give numbers in another order than that of commits, and skip some.
    `numbers` has the highest id ever given of each table that never reuses any; `origin` one random text, by which a
    gallery is told from one that stood at the same place before. The server keeps no samples of texts and bytes, as it
    else does for its planner (`pg_statistic`): they would stay when their rows are deleted.
    """
    tables = MetaData(naming_convention=Base.metadata.naming_convention)
    for table in Base.metadata.sorted_tables:
        copy = table.to_metadata(tables)
        for column in copy.columns:
            if column.primary_key:
                column.autoincrement = False
            if isinstance(column.type, Text):
                column.type = Text(collation="C")  # compared and sorted by code points, whatever the server's language
        if copy.name in _CODES:
            _after_create(copy, *_INLINE)
        unsampled = [each.name for each in copy.columns if isinstance(each.type, (Text, LargeBinary))]
        _after_create(copy, *(f"ALTER COLUMN {name} SET STATISTICS 0" for name in unsampled))
    name, last = Column("name", Text(collation="C"), primary_key=True), Column("last", BigInteger, nullable=False)
    Table("numbers", tables, name, last)
    Table("origin", tables, Column("id", Text(collation="C"), primary_key=True))
    return tables


def _after_create(table: Table, *changes: str) -> None:
    if changes:
        statement = f"ALTER TABLE {table.name} {', '.join(changes)}"
        event.listen(table, "after_create", DDL(statement))  # type: ignore[no-untyped-call]
