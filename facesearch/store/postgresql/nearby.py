"""What is near to a probe, by the vectors in the database, as of one moment; see `facesearch.store.vector_roles`.

Without an index, or among some templates only, every vector is compared: a graph that all share finds few of some. With
an index, its graph leads to the templates whose signs of components agree most with the probe's, and of these the
nearest by their vectors are told.
"""

from __future__ import annotations

import numpy as np
from sqlalchemy import Connection

from facesearch.errors import StoreError
from facesearch.store.postgresql.vectors import RERANKED, TABLE, PostgresqlVectors, reaching
from facesearch.store.records import Templates
from facesearch.store.sql.moment import SqlMoment
from facesearch.store.sql.templates import read_codes, read_templates
from facesearch.store.vector_roles import Ids, Vectors

MOST_BY_GRAPH = 100  # asked for; more are looked for among all
_MOST_TO_REACH = 1000  # what pgvector allows
_SPARE = 32  # vectors are rounded, so that some more are told than were asked for
_MOST_LATER = 4096


class PostgresqlNearby:
    """See `facesearch.store.vector_roles.Nearby`."""

    def __init__(self, connection: Connection, vectors: PostgresqlVectors, where: str) -> None:
        """Raises `StoreError` where the database cannot be searched."""
        self._connection = connection
        self._where = where
        self._pgvector, self._dimension, self._indexed = vectors.facts(connection)
        self._reach = RERANKED  # as it is set

    def nearest(self, probe: Vectors, count: int, *, passed: Ids | None, among: Ids | None) -> Ids:
        gone = np.zeros(0, np.int64) if passed is None else passed
        asked = "[" + ",".join(map(str, probe.astype(np.float16).tolist())) + "]"
        wanted = 2 * count + _SPARE
        if among is not None:
            return self._among(asked, wanted, np.setdiff1d(among, gone))
        if self._indexed and count <= MOST_BY_GRAPH and RERANKED + len(gone) <= _MOST_TO_REACH:
            return self._by_graph(asked, wanted, gone)
        return self._of_all(asked, wanted, gone)

    def templates(self, ids: Ids) -> Templates:
        return read_codes(self._connection, ids.tolist())

    def later(self, last_id: int) -> Templates:
        last = self._connection.exec_driver_sql(f"SELECT coalesce(max(template_id), 0) FROM {TABLE}").scalar_one()  # noqa: S608
        if last >= last_id:
            return Templates(np.zeros(0, np.int64), [], [])
        found = read_templates(self._connection, last, limit=_MOST_LATER + 1)
        if len(found) > _MOST_LATER:
            raise StoreError(
                f"{self._where} lacks the vectors of more than {_MOST_LATER} templates for searches in the database; "
                "run: facesearch index build --search database"
            )
        return found

    def count(self, after_id: int = 0) -> int:
        counted = "SELECT count(*) FROM templates WHERE id > %s"
        return int(self._connection.exec_driver_sql(counted, (after_id,)).scalar_one())

    # inside

    def _of_all(self, asked: str, wanted: int, gone: Ids) -> Ids:
        but = "WHERE template_id <> ALL(%(gone)s::bigint[])" if gone.size else ""
        return self._found(
            f"SELECT template_id FROM {TABLE} {but} ORDER BY {self._product()}, template_id LIMIT %(wanted)s",  # noqa: S608
            {"asked": asked, "wanted": wanted, "gone": gone.tolist()},
        )

    def _among(self, asked: str, wanted: int, among: Ids) -> Ids:
        return self._found(
            f"WITH chosen AS MATERIALIZED (SELECT * FROM {TABLE} WHERE template_id = ANY(%(among)s::bigint[])) "  # noqa: S608
            f"SELECT template_id FROM chosen ORDER BY {self._product()}, template_id LIMIT %(wanted)s",
            {"asked": asked, "wanted": wanted, "among": among.tolist()},
        )

    def _by_graph(self, asked: str, wanted: int, gone: Ids) -> Ids:
        schema, bits = self._pgvector.schema, f"bit({self._dimension})"
        reach = RERANKED + len(gone)
        if reach != self._reach:
            self._connection.exec_driver_sql(f"SELECT {reaching(reach)}")
            self._reach = reach
        signs = f"{schema}.binary_quantize(%(asked)s::{schema}.halfvec)::{bits}"
        but = "WHERE template_id <> ALL(%(gone)s::bigint[])" if gone.size else ""
        return self._found(
            f"SELECT template_id FROM (SELECT * FROM {TABLE} ORDER BY {schema}.binary_quantize(v)::{bits} "  # noqa: S608
            f"OPERATOR({schema}.<~>) {signs} LIMIT %(reach)s) AS near {but} "
            f"ORDER BY {self._product()}, template_id LIMIT %(wanted)s",
            {"asked": asked, "wanted": wanted, "gone": gone.tolist(), "reach": reach},
        )

    def _product(self) -> str:
        schema = self._pgvector.schema
        return f"v OPERATOR({schema}.<#>) %(asked)s::{schema}.halfvec"

    def _found(self, statement: str, values: dict[str, object]) -> Ids:
        rows = self._connection.exec_driver_sql(statement, values).scalars().all()
        return np.array(rows, np.int64)


class ServerMoment(SqlMoment):
    """A moment of a gallery on a server."""

    def __init__(
        self, connection: Connection, elsewhere: tuple[int | None], vectors: PostgresqlVectors, where: str
    ) -> None:
        super().__init__(connection, elsewhere)
        self._vectors = vectors
        self._where = where

    def nearby(self) -> PostgresqlNearby:
        return PostgresqlNearby(self.connection, self._vectors, self._where)
