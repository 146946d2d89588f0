"""Hearing of changes as they are committed: PostgreSQL's LISTEN, on a connection of its own.

A server that takes no changes cannot be listened to: there, the time to wait is the time between two looks.
"""

from __future__ import annotations

import os
import select

import psycopg

from facesearch.store.postgresql.address import Address
from facesearch.store.postgresql.connection import channel, connect_to
from facesearch.store.postgresql.words import in_plain_words


class ServerListener:
    """See `facesearch.store.roles.Listener`."""

    def __init__(self, address: Address) -> None:
        """Raises `StoreError`."""
        self._where = address.shown
        with in_plain_words(self._where):
            self._connection = connect_to(address)
            try:
                self._connection.execute(f"LISTEN {channel(address.gallery)}".encode())
            except (psycopg.errors.ReadOnlySqlTransaction, psycopg.errors.FeatureNotSupported):
                pass  # a standby
            except BaseException:
                self._connection.close()
                raise
        self._awake, self._waking = os.pipe()

    def wait(self, seconds: float) -> bool:
        with in_plain_words(self._where):
            ready, _, _ = select.select([self._connection.fileno(), self._awake], [], [], seconds)
            if self._awake in ready:
                os.read(self._awake, 1024)
            heard = [*self._connection.notifies(timeout=0)] if self._connection.fileno() in ready else []
        return bool(heard) or self._awake in ready

    def wake(self) -> None:
        os.write(self._waking, b"\0")

    def close(self) -> None:
        self._connection.close()
        for each in (self._awake, self._waking):
            os.close(each)
