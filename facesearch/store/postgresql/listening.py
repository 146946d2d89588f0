"""Hearing of changes as they are committed: PostgreSQL's LISTEN, on a connection of its own.

A server that takes no changes cannot be listened to: there, the time to wait is the time between two looks.
"""

from __future__ import annotations

import select
import socket
from contextlib import ExitStack, closing, suppress

import psycopg

from facesearch.store.postgresql.address import Address
from facesearch.store.postgresql.connection import channel, connect_to
from facesearch.store.postgresql.words import in_plain_words


class ServerListener:
    """See `facesearch.store.roles.Listener`."""

    def __init__(self, address: Address) -> None:
        """Raises `StoreError`."""
        self._where = address.shown
        with ExitStack() as failing, in_plain_words(self._where):
            self._awake, self._waking = (failing.enter_context(each) for each in socket.socketpair())
            self._connection = failing.enter_context(closing(connect_to(address)))
            with suppress(psycopg.errors.ReadOnlySqlTransaction, psycopg.errors.FeatureNotSupported):  # a standby
                self._connection.execute(f"LISTEN {channel(address.gallery)}".encode())
            failing.pop_all()

    def wait(self, seconds: float) -> None:
        with in_plain_words(self._where):
            server, awake = self._connection.fileno(), self._awake.fileno()
            polled = select.poll()  # unlike select, for any number of open files
            polled.register(server, select.POLLIN)
            polled.register(awake, select.POLLIN)
            ready = [file for file, _ in polled.poll(1000 * seconds)]
            if awake in ready:
                self._awake.recv(1024)
            if server in ready:
                list(self._connection.notifies(timeout=0))

    def wake(self) -> None:
        self._waking.send(b"\0")

    def close(self) -> None:
        self._connection.close()
        self._awake.close()
        self._waking.close()
