"""The role of the cohort: people who are not enrolled, whom probes are compared with."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sqlalchemy import delete, select

from facesearch.errors import StoreError
from facesearch.store.records import Cohort
from facesearch.store.sql.checksums import insert_row, is_sound, next_id, require_sound
from facesearch.store.sql.models import CalibrationRow, CohortRow
from facesearch.store.sql.settings import read_settings
from facesearch.store.sql.transactions import Transactions


class SqlCohort:
    """See `facesearch.store.roles.CohortRole`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def read(self) -> Cohort | None:
        wanted = select(is_sound(CohortRow), CohortRow.id, CohortRow.faces, CohortRow.source, CohortRow.content)
        with self._transactions.reading() as connection:
            row = connection.execute(wanted.order_by(CohortRow.id.desc()).limit(1)).one_or_none()
        if row is None:
            return None
        sound, number, faces, source, content = row
        require_sound(CohortRow, sound, number)
        values = np.frombuffer(content, "<f2")
        if faces < 1 or values.size % faces:
            raise StoreError(
                f"the cohort of {faces} faces has {len(content)} bytes; facesearch calibrate --cohort none removes it"
            )
        return Cohort(number, values.reshape(faces, -1).astype(np.float32), source)

    def remove(self, rows: Sequence[int]) -> int:
        kept = self.read() if rows else None
        if kept is None:
            return 0
        self.replace(np.delete(kept.templates, list(rows), axis=0), kept.source)
        return len(rows)

    def replace(self, templates: npt.NDArray[np.float32], source: str) -> None:
        with self._transactions.writing() as connection:
            number = next_id(connection, CohortRow)
            there_was_one = connection.execute(delete(CohortRow)).rowcount > 0
            settings = read_settings(connection)
            if settings is not None and settings.score != "cosine" and (there_was_one or len(templates)):
                connection.execute(delete(CalibrationRow))  # it was made with other scores
            if len(templates):
                content = np.ascontiguousarray(templates, "<f2").tobytes()
                row = {"id": number, "faces": len(templates), "source": source, "content": content}
                insert_row(connection, CohortRow, {**row, "created_at": int(time.time())})
