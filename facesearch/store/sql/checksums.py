"""A checksum in every row that an answer depends on.

A database has none, or none that is sure to be on: a bit that flips on the disk is noticed only where it breaks the
structure of the file, and a template, a name or the owner of a template would change unseen. So each of these rows
carries a checksum of all its other columns, computed when it is written and compared whenever it is read for an answer.
It is an SQL expression, so that a query can compare whole tables; see `facesearch.store.sql.expressions.RowChecksum`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, literal, null, select, update

from facesearch.errors import StoreError
from facesearch.store.sql.dialect import dialect_of
from facesearch.store.sql.expressions import HighestGiven, RowChecksum
from facesearch.store.sql.models import (
    AliasRow,
    Base,
    CodebookRow,
    CohortRow,
    CollectedPhotoRow,
    EncoderRow,
    ForgottenPhotoRow,
    GalleryRow,
    IdentityRow,
    IgnoredRow,
    ImageRow,
    IndexStateRow,
    KeptAsideRow,
    KeptSuspectRow,
    NegativeRow,
    NoteRow,
    RejectedPhotoRow,
    RemovalRow,
    SecretRow,
    SegmentRow,
    SetAsideRow,
    TagRow,
    TemplateRow,
    UnknownClusterRow,
    UnknownFaceRow,
    UnknownPairRow,
)
from facesearch.store.sql.plans import Row, plan_of, table_of

COVERED: tuple[type[Base], ...] = (
    GalleryRow,
    EncoderRow,
    IdentityRow,
    ImageRow,
    TemplateRow,
    SetAsideRow,
    KeptAsideRow,
    KeptSuspectRow,
    NegativeRow,
    AliasRow,
    TagRow,
    NoteRow,
    IgnoredRow,
    ForgottenPhotoRow,
    RejectedPhotoRow,
    CollectedPhotoRow,
    UnknownClusterRow,
    UnknownFaceRow,
    UnknownPairRow,
    SecretRow,
    CodebookRow,
    CohortRow,
    RemovalRow,
    IndexStateRow,
    SegmentRow,
)
_NAMED = 5  # damaged rows that are named
_ADVICE = "restore a backup"
_REBUILT = {row.__tablename__: "facesearch index build repairs it" for row in (IndexStateRow, SegmentRow)} | {
    CohortRow.__tablename__: "facesearch calibrate --cohort none removes it",
    KeptSuspectRow.__tablename__: "facesearch gallery suspects --reconsider removes it",
    UnknownFaceRow.__tablename__: "facesearch unknown discard deletes it, as f and the number, or restore a backup",
}


@cache
def is_sound(model: type[Base]) -> ColumnElement[bool]:
    """An SQL expression: whether the row is as it was written."""
    return _stored(model) == computed(model)


def insert_rows(connection: Connection, model: type[Base], rows: Sequence[Row]) -> None:
    """Insert rows, each given by the values of all columns but the checksum, in the order of the table.

    Numbers for REAL columns have to be floats, as which the database gives them back.
    """
    if rows:
        dialect_of(connection).insert_rows(connection, plan_of(model), rows)


def insert_row(connection: Connection, model: type[Base], values: Mapping[str, Any]) -> None:
    """Insert one row, given by the names of all columns but the checksum."""
    plan = plan_of(model)
    values = {name: str(value) if isinstance(value, str) else value for name, value in values.items()}  # not NumPy's
    real = {name: float(values[name]) for name in plan.reals if values[name] is not None}
    insert_rows(connection, model, [tuple(real.get(name, values[name]) for name in plan.names)])


def next_id(connection: Connection, model: type[Base]) -> int:
    """The id of the next row; the write lock is held. Where ids are never reused, one above all ever given."""
    table = table_of(model)
    wanted = [func.max(table.c.id), *([HighestGiven(literal(table.name))] if plan_of(model).never_reused else [])]
    return max(number or 0 for number in connection.execute(select(*wanted)).one()) + 1


def refresh(connection: Connection, model: type[Base], where: ColumnElement[bool]) -> None:
    """Write the checksums of rows anew after other columns were changed."""
    table = table_of(model)
    connection.execute(update(table).where(where).values(checksum=computed(model)))


def computed(model: type[Base], **changed: int | None) -> ColumnElement[int]:
    """An SQL expression: the checksum of a row, with other values in the columns that are about to be changed."""
    table, plan = table_of(model), plan_of(model)
    blob = table.c[plan.blob] if plan.blob else null()
    values = [literal(changed[name], table.c[name].type) if name in changed else table.c[name] for name in plan.others]
    return RowChecksum(blob, *values)


def require_sound(model: type[Base], sound: bool, row_id: int) -> None:
    """Raise `StoreError` for a row that is not as it was written."""
    if not sound:
        name = table_of(model).name
        raise StoreError(f"row {row_id} of {name} is damaged: its checksum is wrong; {_REBUILT.get(name, _ADVICE)}")


def require_all_sound(connection: Connection, model: type[Base], where: ColumnElement[bool]) -> None:
    """The same for all rows that a condition holds for. New checksums would hide a damage: it is called before."""
    number = table_of(model).c.id
    damaged = connection.scalar(select(number).where(where, ~is_sound(model)).limit(1))
    if damaged is not None:
        require_sound(model, False, damaged)


def damaged_rows(connection: Connection, models: Collection[type[Base]] = COVERED) -> list[str]:
    """Rows whose checksum is wrong, in words, a line per table; empty if there are none."""
    problems = []
    for model in models:
        table = table_of(model)
        ids = list(connection.scalars(select(table.c.id).where(~is_sound(model)).order_by(table.c.id)))
        if ids:
            named = ", ".join(map(str, ids[:_NAMED])) + (", …" if len(ids) > _NAMED else "")
            noun = "row" if len(ids) == 1 else "rows"
            advice = _REBUILT.get(table.name, _ADVICE)
            problems.append(f"{len(ids)} {noun} of {table.name} damaged (id {named}): wrong checksum; {advice}")
    return problems


def _stored(model: type[Base]) -> ColumnElement[int]:
    return table_of(model).c.checksum
