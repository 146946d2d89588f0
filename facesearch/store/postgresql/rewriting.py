"""Writing tables anew, so that no page of the server holds what was deleted.

PostgreSQL leaves deleted rows in their pages. VACUUM FULL copies what is left into new files, and takes along what a
transaction that began earlier may still see, of whatever gallery of the database, or a question on a standby that keeps
its primary from removing it (`hot_standby_feedback`). Whether it did, the table itself tells afterwards: everything
deleted before its `relfrozenxid` is gone.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import psycopg

LOCK_SECONDS = 3.0  # that this waits for readers of a table
EARLIER_SECONDS = 3.0  # and for transactions that began before the deletion
_PAUSE = 0.05
_OWN = """
    SELECT bool_and(pg_has_role(relowner, 'USAGE')) FROM pg_class
    WHERE relnamespace = %s::regnamespace AND relkind = 'r'
"""
_HAS_PAGES = "SELECT pg_relation_size(to_regclass(%s)) > 0"
_NOW = "SELECT pg_current_xact_id()::xid::text"
# Numbers of transactions go round: `age` compares them. Equal is not enough, as that one may be the one that deleted.
_LEFT = """
    SELECT bool_and(age(relfrozenxid) < age(%s::xid)) FROM pg_class WHERE oid = ANY(%s::regclass[])
"""
_SMALL = "alembic_version"  # one row, which hardly anybody reads


def rewritten(driver: psycopg.Connection[Any], gallery: str, tables: Sequence[str]) -> bool:
    """Write these tables anew without what was deleted before; False where that cannot be done now.

    That is so for a user who does not own them, where somebody reads them for longer than `LOCK_SECONDS`, and where a
    transaction that is older than the deletion goes on for longer than `EARLIER_SECONDS`.
    """
    (own,) = driver.execute(_OWN, (gallery,)).fetchone() or (False,)
    if not own:
        return False
    (now,) = driver.execute(_NOW).fetchone() or ("",)
    driver.execute(f"SET lock_timeout = {round(1000 * LOCK_SECONDS)}".encode())
    try:
        written = [table for table in tables if driver.execute(_HAS_PAGES, (table,)).fetchone() == (True,)]
        due = time.monotonic() + EARLIER_SECONDS
        while True:
            for table in written:
                driver.execute(f"VACUUM (FULL) {table}".encode())
            if not written or driver.execute(_LEFT, (now, written)).fetchone() == (True,):
                return True
            if not _earlier_ones_ended(driver, now, due):
                return False
    except psycopg.errors.LockNotAvailable:
        return False
    finally:
        driver.execute("RESET lock_timeout")


def _earlier_ones_ended(driver: psycopg.Connection[Any], now: str, due: float) -> bool:
    """Wait until no transaction sees what was there at `now` any more."""
    while time.monotonic() < due:
        driver.execute(f"VACUUM (FREEZE, DISABLE_PAGE_SKIPPING) {_SMALL}".encode())
        if driver.execute(_LEFT, (now, [_SMALL])).fetchone() == (True,):
            return True
        time.sleep(_PAUSE)
    return False
