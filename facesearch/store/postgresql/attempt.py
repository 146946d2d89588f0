"""What became of a transaction whose connection was lost while it was being committed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg

from facesearch.errors import StoreError
from facesearch.store.postgresql.schema import started_of

ASKING_SECONDS = 15.0  # that the server is asked for, as it may have to come back first
_PAUSE = 0.2
ATTEMPT = "pg_current_xact_id()::text"
# A number that the server has not given yet is of something that it never committed.
_STATUS = """
    SELECT CASE WHEN %(id)s::xid8 < pg_snapshot_xmax(pg_current_snapshot()) THEN pg_xact_status(%(id)s::xid8) END,
           pg_is_in_recovery()
"""

Connect = Callable[[], psycopg.Connection[Any]]


@dataclass(slots=True)
class Attempt:
    """A transaction that writes. started: when the server was. number: what `ATTEMPT` gave. committing: it came as far
    as being committed."""

    started: str
    number: str = ""
    committing: bool = False

    def outcome(self, connect: Connect) -> bool | None:
        """Whether it was committed; None where that cannot be told.

        A server that was started anew may have given its number to another transaction, if it was not committed.
        """
        due = time.monotonic() + ASKING_SECONDS
        while time.monotonic() < due:
            try:
                with connect() as connection:
                    row, now = connection.execute(_STATUS, {"id": self.number}).fetchone(), started_of(connection)
            except (psycopg.Error, StoreError):
                row = None
            if row is not None:
                status, standby = row
                if status != "in progress" and not standby:
                    return None if status == "committed" and now != self.started else status == "committed"
            time.sleep(_PAUSE)
        return None
