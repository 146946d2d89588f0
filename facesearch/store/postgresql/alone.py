"""Work on a gallery that only one process at a time does, while others go on using the gallery."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from facesearch.errors import StoreBusyError
from facesearch.store.postgresql.connection import lock_key
from facesearch.store.sql.transactions import Transactions


@contextmanager
def alone(transactions: Transactions, gallery: str, work: str, busy: str) -> Iterator[None]:
    """While nobody else does this work, in a word; busy: what another process does then, for `StoreBusyError`."""
    transactions.require_write()
    key = lock_key(f"{gallery} {work}")
    with transactions.outside(psycopg.Connection) as driver:
        if driver.execute("SELECT pg_try_advisory_lock(%s)", (key,)).fetchone() != (True,):
            raise StoreBusyError(f"another process {busy} of {transactions.where}")
        try:
            yield
        finally:
            driver.execute("SELECT pg_advisory_unlock(%s)", (key,))
