"""A network between two ends of one machine that can be made to fail: a relay of TCP connections on loopback.

It counts what clients send and can do something at a given message: cut connections, drop everything without a word (so
that not even the kernel acknowledges it), answer by halves, or be slow.
"""

from __future__ import annotations

import ctypes
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

_SOME = 65536
_ATTACH_FILTER, _DETACH_FILTER = 26, 27  # of Linux
_NOTHING = struct.pack("HBBI", 6, 0, 0, 0)  # one instruction: return 0, accept no byte
_LINGER_ZERO = struct.pack("ii", 1, 0)

_HOST = "127.0.0.1"

At = Callable[[int, bytes], None]


class Network:
    """Relays what comes to `port` to another port, or to a socket file. at: called with the number of each message that
    a client sends, counted from 1, and the message, before it is passed on; it may call the methods below."""

    def __init__(self, target: int | Path, at: At | None = None) -> None:
        self._target = target
        self._listening = socket.create_server((_HOST, 0))
        self.port: int = self._listening.getsockname()[1]
        self._at = at
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._changing = threading.Lock()
        self._silent, self._delay = False, 0.0
        self._half_answer = False
        self.messages = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def when(self, at: At | None) -> None:
        """Count anew, and call this."""
        self.messages, self._at = 0, at

    def drop(self) -> None:
        """From now on nothing gets through, and neither end is told."""
        self._silent = True
        with self._changing:
            for each in [self._listening, *(end for pair in self._pairs for end in pair)]:
                _filter_all(each)

    def mend(self) -> None:
        """New connections get through again; those that are there are gone."""
        self.reset()
        self._silent, self._delay, self._half_answer = False, 0.0, False
        with suppress(FileNotFoundError):  # nothing was dropped
            self._listening.setsockopt(socket.SOL_SOCKET, _DETACH_FILTER, 0)

    def reset(self) -> None:
        """Cut all connections, as a router does that forgot them."""
        with self._changing:
            pairs, self._pairs = self._pairs, []
        for end in (end for pair in pairs for end in pair):
            with suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            with suppress(OSError):
                end.close()

    def halve(self) -> None:
        """Pass half of the next answer on, and cut."""
        self._half_answer = True

    def slow_down(self, seconds: float) -> None:
        """Every message takes so long from now on."""
        self._delay = seconds

    def close(self) -> None:
        self.reset()
        self._listening.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            try:
                server = self._connected()
            except OSError:
                client.close()
                continue
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._changing:
                self._pairs.append((client, server))
            threading.Thread(target=self._relay, args=(client, server), daemon=True).start()

    def _connected(self) -> socket.socket:
        if isinstance(self._target, int):
            server = socket.create_connection((_HOST, self._target))
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return server
        server = socket.socket(socket.AF_UNIX)
        server.connect(str(self._target))
        return server

    def _relay(self, client: socket.socket, server: socket.socket) -> None:
        with selectors.DefaultSelector() as selector, suppress(OSError, ValueError):
            selector.register(client, selectors.EVENT_READ, server)
            selector.register(server, selectors.EVENT_READ, client)
            while True:
                for key, _ in selector.select():
                    source, target = key.fileobj, key.data
                    assert isinstance(source, socket.socket)
                    some = source.recv(_SOME)
                    if self._silent:
                        selector.unregister(source)
                        continue
                    if not some:
                        raise OSError
                    if source is client:
                        self.messages += 1
                        if self._at is not None:
                            self._at(self.messages, some)
                        if self._silent:
                            continue
                    elif self._half_answer:
                        self._half_answer = False
                        target.sendall(some[: len(some) // 2])
                        self.reset()
                        raise OSError
                    if self._delay:
                        time.sleep(self._delay)
                    target.sendall(some)
        if not self._silent:
            for end in (client, server):
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()
            with self._changing:
                self._pairs = [pair for pair in self._pairs if pair[0] is not client]


def _filter_all(end: socket.socket) -> None:
    """Have the kernel drop what comes to a socket before it acknowledges it."""
    program = ctypes.create_string_buffer(_NOTHING)
    with suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, struct.pack("HL", 1, ctypes.addressof(program)))
