"""Asking the server of one shard; connections are kept, and made anew where they broke."""

from __future__ import annotations

import socket
import threading

from facesearch.errors import ShardError
from facesearch.gallery.shard_wire import Hello, HostPort, Question, Reply, Wire
from facesearch.text.characters import escaped

_CONNECT_SECONDS = 5.0
_ANSWER_SECONDS = 60.0
_MOST_IDLE = 16


class ShardClient:
    """Connections to the server of one shard. Safe to share between threads: each question has one of its own."""

    def __init__(self, address: HostPort, secret: bytes) -> None:
        self.address = address
        self.hello: Hello | None = None  # what the server said when it was first reached
        self._secret = secret
        self._idle: list[Wire] = []
        self._changing = threading.Lock()

    def reach(self) -> Hello:
        """What the server has; raises `ShardError` where it is away."""
        if self.hello is None:
            self.give_back(self.connected())
        assert self.hello is not None  # noqa: S101 - for the type checker
        return self.hello

    def ask(self, question: Question, body: bytes = b"") -> PendingReply:
        """Send a question; the reply is waited for by what is returned. Raises `ShardError`."""
        return PendingReply(self, question, body)

    def forget(self) -> None:
        """Reach the server anew the next time: it may have something else by then."""
        self.close()
        self.hello = None

    def close(self) -> None:
        with self._changing:
            idle, self._idle = self._idle, []
        for wire in idle:
            wire.close()

    def idle(self) -> Wire | None:
        """A connection that was used before and is free, if there is one."""
        with self._changing:
            return self._idle.pop() if self._idle else None

    def give_back(self, wire: Wire) -> None:
        """A connection is free again."""
        with self._changing:
            if len(self._idle) < _MOST_IDLE:
                self._idle.append(wire)
                return
        wire.close()

    def connected(self) -> Wire:
        """A new connection; raises `ShardError`."""
        try:
            made = socket.create_connection((self.address.host, self.address.port), _CONNECT_SECONDS)
        except OSError as error:
            raise self.failed(f"cannot be reached ({_reason(error)})") from None
        wire = Wire(made)
        try:
            wire.wait(_CONNECT_SECONDS, in_all=True)
            wire.prove_as_asker(self._secret)
            hello, _ = wire.receive(Hello)
            wire.wait(_ANSWER_SECONDS)
        except ShardError as error:
            wire.close()
            raise self.failed(f"cannot be asked: {error}") from None
        except (OSError, EOFError) as error:
            wire.close()
            raise self.failed(f"cannot be asked ({_reason(error)})") from None
        except BaseException:
            wire.close()
            raise
        if self.hello is None:
            self.hello = hello
        if hello != self.hello:
            wire.close()
            raise self.failed(f"serves another shard by now ({hello.shard}): open the gallery anew")
        return wire

    def failed(self, what: str) -> ShardError:
        """The error for a server of which something is to be told."""
        which = f"shard {self.hello.shard}" if self.hello else "the shard"
        return ShardError(f"{which} at {self.address} {escaped(what)}; nobody is named without all of them")


class PendingReply:
    """A question that was sent to the server of a shard."""

    def __init__(self, client: ShardClient, question: Question, body: bytes) -> None:
        self._client, self._question, self._body = client, question, body
        self._wire = client.idle()
        self._used_before = self._wire is not None
        try:
            self._send()
        except BaseException:
            self.drop()
            raise

    def result(self) -> tuple[Reply, bytearray]:
        """Raises `ShardError` where the server went away, or says that it cannot answer."""
        try:
            reply, body = self._received()
        except BaseException:
            self.drop()
            raise
        if self._wire is not None:
            self._client.give_back(self._wire)
            self._wire = None
        if reply.status == "failed":
            raise self._client.failed(f"cannot answer: {reply.reason}")
        return reply, body

    def drop(self) -> None:
        """The reply is not wanted any more."""
        if self._wire is not None:
            self._wire.close()
            self._wire = None

    def _send(self) -> None:
        if self._wire is None:
            self._wire = self._client.connected()
        try:
            self._wire.send(self._question, self._body)
        except OSError as error:
            self._again(error)

    def _received(self) -> tuple[Reply, bytearray]:
        while True:
            assert self._wire is not None  # noqa: S101 - for the type checker
            try:
                return self._wire.receive(Reply)
            except ShardError as error:
                raise self._client.failed(f"answers nonsense: {error}") from None
            except (OSError, EOFError) as error:
                self._again(error)

    def _again(self, error: Exception) -> None:
        """Send it on a new connection, where the server may have been started anew since this one was last used."""
        self.drop()
        if not self._used_before or isinstance(error, TimeoutError):
            raise self._client.failed(f"did not answer ({_reason(error)})") from None
        self._used_before = False
        self._send()


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "in time"
    if isinstance(error, EOFError):
        return "it closed the connection"
    return (getattr(error, "strerror", None) or str(error) or "no reason given").lower()
