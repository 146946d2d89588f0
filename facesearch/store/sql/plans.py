"""How the rows of a table are laid out: what inserting them and computing their checksums have to know."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import REAL, LargeBinary, Table

from facesearch.store.sql.models import Base

Row = tuple[Any, ...]


class TablePlan:
    """The columns of one table but the checksum.

    names: all, in the order of the table. blob: that of bytes, if there is one. others: all but that. reals: those that
    take floats. never_reused: whether an id is never given again.
    """

    def __init__(self, table: Table) -> None:
        columns = [column for column in table.columns if column.name != "checksum"]
        self.table = table
        self.names = [column.name for column in columns]
        self.blob = next((column.name for column in columns if isinstance(column.type, LargeBinary)), None)
        self.others = [name for name in self.names if name != self.blob]
        self.blob_at = self.names.index(self.blob) if self.blob else None
        self.reals = {column.name for column in columns if isinstance(column.type, REAL)}
        self.never_reused = bool(table.dialect_options["sqlite"]["autoincrement"])


@cache
def plan_of(model: type[Base]) -> TablePlan:
    return TablePlan(table_of(model))


def table_of(model: type[Base]) -> Table:
    table = model.__table__
    assert isinstance(table, Table)  # noqa: S101 - for the type checker
    return table
