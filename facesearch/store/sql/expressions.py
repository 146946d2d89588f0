"""SQL expressions that each database writes its own way."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Boolean, Text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.elements import Null
from sqlalchemy.sql.functions import GenericFunction


class RowChecksum(GenericFunction[int]):
    """The checksum of a row: of its column of bytes (NULL: none), then of its other columns in their order.

    SQLite calls a function that every connection is given (`facesearch.store.sqlite.rows`). PostgreSQL computes 60 bits
    of SHA-256 itself, so that no row travels for it.
    """

    name = "row_checksum"
    type = BigInteger()
    inherit_cache = True


class HighestGiven(GenericFunction[int]):
    """The highest id ever given in the table of that name, also of rows that are gone; NULL before the first.

    Rolled back with its transaction; only for tables whose ids are never reused.
    """

    name = "highest_given"
    type = BigInteger()
    inherit_cache = True


class AllAsJson(GenericFunction[str]):
    """All integers of a column as one JSON array: to fetch thousands of rows takes longer than to find them."""

    name = "all_as_json"
    type = Text()
    inherit_cache = True


class InJson(GenericFunction[bool]):
    """Whether a column is among the integers of a JSON array, which is one value, however long."""

    name = "in_json"
    type = Boolean()
    inherit_cache = True


@compiles(RowChecksum, "postgresql")
def _(element: RowChecksum, compiler: Any, **options: Any) -> str:
    blob, *values = element.clauses
    row = "ROW(" + ", ".join(compiler.process(each, **options) for each in values) + ")"
    content = f"convert_to({row}::text, 'UTF8')"
    if not isinstance(blob, Null):
        content = f"coalesce({compiler.process(blob, **options)}, ''::bytea) || {content}"
    return f"('x' || left(encode(sha256({content}), 'hex'), 15))::bit(60)::bigint"


@compiles(HighestGiven, "sqlite")
def _(element: HighestGiven, compiler: Any, **options: Any) -> str:
    return f"(SELECT seq FROM sqlite_sequence WHERE name = {compiler.process(element.clauses, **options)})"  # noqa: S608


@compiles(HighestGiven, "postgresql")
def _(element: HighestGiven, compiler: Any, **options: Any) -> str:
    return f"(SELECT last FROM numbers WHERE name = {compiler.process(element.clauses, **options)})"  # noqa: S608


@compiles(AllAsJson, "sqlite")
def _(element: AllAsJson, compiler: Any, **options: Any) -> str:
    return f"json_group_array({compiler.process(element.clauses, **options)})"


@compiles(AllAsJson, "postgresql")
def _(element: AllAsJson, compiler: Any, **options: Any) -> str:
    return f"json_agg({compiler.process(element.clauses, **options)})::text"


@compiles(InJson, "sqlite")
def _(element: InJson, compiler: Any, **options: Any) -> str:
    column, values = (compiler.process(each, **options) for each in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({values}))"  # noqa: S608


@compiles(InJson, "postgresql")
def _(element: InJson, compiler: Any, **options: Any) -> str:
    column, values = (compiler.process(each, **options) for each in element.clauses)
    return f"{column} IN (SELECT value::bigint FROM json_array_elements_text(CAST({values} AS json)))"  # noqa: S608
