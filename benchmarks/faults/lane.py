"""One server with a network in front of it, on which commands are cut off and asked again; what was left is counted."""

from __future__ import annotations

import hashlib
import itertools
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.faults.facts import Facts, facts, files_without_table
from benchmarks.faults.machine import Started, look, start
from benchmarks.faults.network import Network
from benchmarks.faults.own_server import OwnServer
from benchmarks.faults.written import Prepared, Written

SEED = "seed"  # the database that each run has a copy of
SERVER, CLIENT = "server killed", "client killed"
RESET, HALVED, SILENT, SLOW = "connections cut", "an answer cut", "silence", "slow"
SOON = "keepalives_idle=1&keepalives_interval=1&keepalives_count=2&tcp_user_timeout=2000&connect_timeout=2"
_SLOW_SECONDS = 0.02
_SHORTLY = 0.01  # seconds until a kill after a message was passed on
_ASKED_BEFORE, _ASKED_AFTER = 0.3, 0.2  # of all runs
_CONFIRMED = "enrolled /"  # and the rest of a path


@dataclass(slots=True)
class Usual:
    """A command that nothing befell: what was there before and after it, and how many messages it sent."""

    before: Facts
    after: Facts
    messages: int
    seconds: float


@dataclass(slots=True)
class Outcome:
    """What a fault left. hit: it came while the command was running. confirmed: what had been said to be done."""

    hit: bool = False
    confirmed: int = 0
    lost: int = 0
    wrong: int = 0
    duplicates: int = 0
    answers: int = 0
    repaired: int = 0
    files: int = 0
    seconds: float = 0.0
    failures: list[str] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        return asdict(self)


class Lane:
    """Runs commands one after the other."""

    def __init__(self, server: OwnServer, folder: Path, prepared: Prepared, seed: int) -> None:
        self._server = server
        self._folder = folder
        self._prepared = prepared
        self._draw = random.Random(seed)
        self._numbers = itertools.count(1)
        self._network = Network(server.port)

    def close(self) -> None:
        self._network.close()

    def usual(self, command: Written) -> Usual:
        """What a command does."""
        with _Run(self, command) as run:
            before = facts(run.direct)
            self._network.when(None)
            began = time.monotonic()
            started = run.start("")
            status = started.wait()
            took = time.monotonic() - began
            if status != 0:
                raise RuntimeError(f"{command.name} ended with {status}: {started.said[-500:]}")
            return Usual(before, facts(run.direct), self._network.messages, took)

    def cut_off(self, command: Written, usual: Usual, fault: str) -> Outcome:
        """Run a command that a fault befalls at a random message, look at what is left, and ask it again."""
        outcome = Outcome()
        with _Run(self, command) as run:
            if self._draw.random() < _ASKED_BEFORE:
                run.look()  # this machine has index files then
            started = self._befallen(run, usual, fault, outcome)
            left, said = facts(run.direct), started.said
            compare(outcome, left, usual, said, started.process.exitcode)
            looked = run.look()
            outcome.answers, outcome.wrong = looked.found, len(looked.wrong)
            outcome.failures += [*looked.wrong[:3], *looked.problems[:3]]
            outcome.files = files_without_table(run.direct)
            again = run.start("")
            status = again.wait()
            if "Traceback" in again.said or status is None:
                outcome.failures.append(f"again: {again.said[-300:]}")
            if (now := facts(run.direct)) != usual.after:
                outcome.failures.append(f"asked again, it is {_difference(now, usual.after)}")
                outcome.duplicates += _twice(now, usual)
            if self._draw.random() < _ASKED_AFTER:
                looked = run.look()
                outcome.wrong += len(looked.wrong)
                outcome.failures += [*looked.wrong[:3], *looked.problems[:3]]
        return outcome

    def _befallen(self, run: _Run, usual: Usual, fault: str, outcome: Outcome) -> Started:
        at = self._draw.randint(1, usual.messages)
        happened, ready = threading.Event(), threading.Event()
        process: list[int] = []
        network, later = self._network, self._draw.choice((0.0, self._draw.uniform(0, _SHORTLY)))

        def kill_client() -> None:
            ready.wait()
            with suppress(ProcessLookupError):
                os.kill(process[0], signal.SIGKILL)

        act: Callable[[], None] = {
            SERVER: self._server.kill,
            CLIENT: kill_client,
            RESET: network.reset,
            HALVED: network.halve,
            SILENT: network.drop,
            SLOW: lambda: network.slow_down(_SLOW_SECONDS),
        }[fault]

        def happen() -> None:
            act()
            happened.set()

        def when(number: int, message: bytes) -> None:
            if number == at:
                network.when(None)
                if later and fault in (SERVER, CLIENT):
                    threading.Timer(later, happen).start()
                else:
                    happen()

        network.when(when)
        began = time.monotonic()
        started = run.start(SOON if fault == SILENT else "")
        assert started.process.pid is not None
        process.append(started.process.pid)
        ready.set()
        while started.process.is_alive() and not happened.wait(0.02):
            pass
        outcome.hit = started.process.is_alive() or fault != SERVER
        if not happened.wait(_SHORTLY * 3):  # it had ended before
            network.when(None)
            outcome.hit = False
            if fault == SERVER:
                happen()
        if fault == SERVER:
            self._server.start()
        if started.wait() is None:
            outcome.failures.append("hangs")
        outcome.seconds = round(time.monotonic() - began, 2)
        network.when(None)
        network.mend()
        return started


class _Run:
    """A copy of the seed and a machine's home, for one run."""

    def __init__(self, lane: Lane, command: Written) -> None:
        number = next(lane._numbers)
        self._lane, self._command = lane, command
        self._database = f"run_{number}"
        self._scratch = lane._folder / self._database
        self._scratch.mkdir()
        self._numbers = itertools.count(1)
        self.direct = f"{lane._server.at(self._database)}?gallery={command.gallery}"

    def __enter__(self) -> _Run:
        self._lane._server.execute(f"CREATE DATABASE {self._database} TEMPLATE {SEED}")
        self._lane._server.execute("CHECKPOINT")
        return self

    def __exit__(self, *left: object) -> None:
        self._lane._server.execute(f"DROP DATABASE {self._database} WITH (FORCE)")

    def url(self, parameters: str) -> str:
        through = self._lane._server.at(self._database, port=self._lane._network.port)
        return f"{through}?{parameters + '&' if parameters else ''}gallery={self._command.gallery}"

    def start(self, parameters: str) -> Started:
        words = self._lane._prepared.arguments(self._command, self.url(parameters), self._scratch)
        return start(words, self._scratch, self._scratch / f"said-{next(self._numbers)}")

    def look(self) -> Any:
        in_database = facts(self.direct)["vectors kept"] > 0 and self._lane._draw.random() < 0.5
        out = self._scratch / f"looked-{next(self._numbers)}"
        return look(self.url(""), self._scratch, out, in_database=in_database)


def compare(outcome: Outcome, left: Facts, usual: Usual, said: str, status: int | None) -> None:
    """Count what is lost, twice, or neither of before nor of after. said: by the command, which ended with a status."""
    known, sure = usual.before | usual.after, usual.before & usual.after
    if "Traceback" in said:
        outcome.failures.append(f"a traceback: {said[-300:]}")
    outcome.duplicates += _twice(left, usual)
    if strange := left - known:
        outcome.failures.append(f"neither before nor after: {min(strange)[:80]}")
    gone = sure - left
    outcome.lost += gone.total()
    confirmed = ["/" + line.removeprefix(_CONFIRMED) for line in said.split("\n")[:-1] if line.startswith(_CONFIRMED)]
    shown = " ".join(fact for fact in left if fact.startswith("template "))
    missing = [path for path in confirmed if hashlib.sha256(Path(path).read_bytes()).hexdigest() not in shown]
    outcome.confirmed += len(confirmed)
    outcome.lost += len(missing)
    if status == 0:
        outcome.confirmed += 1
        if left != usual.after:
            outcome.lost += 1
            outcome.failures.append(f"said to be done, and is {_difference(left, usual.after)}")


def _twice(left: Facts, usual: Usual) -> int:
    most = usual.before | usual.after
    return sum(count - most[fact] for fact, count in left.items() if fact in most and count > most[fact])


def _difference(left: Facts, right: Facts) -> str:
    kinds = Counter[str]()
    for sign, facts_of in (("+", left - right), ("-", right - left)):
        for fact, count in facts_of.items():
            kinds[f"{sign}{fact.partition(' ')[0]}"] += count
    return ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items()))
