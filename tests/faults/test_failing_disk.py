"""A change of a file fails, the disk fills up, or the process dies in the middle: the gallery is there as it has to be.

A few points of every operation; `python -m benchmarks.fault_matrix` takes them all.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks.faults.harness import MODES, Case, Server, available, cases
from benchmarks.faults.operations import OPERATIONS

POINTS = 3  # of every operation


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if why := available():
        pytest.skip(why)
    with Server(tmp_path_factory.mktemp("faults")) as started:
        yield started


@pytest.mark.parametrize(
    ("operation", "kind"), [*((name, "flat") for name in OPERATIONS), ("enrol", "pq8"), ("forget", "sq8")]
)
def test_whatever_fails_nothing_confirmed_is_lost_and_nothing_forgotten_stays(
    operation: str, kind: str, server: Server
) -> None:
    points = server.points(operation, kind)
    assert set(points) <= set("wsrut")
    assert "s" in points  # what is confirmed has been synchronised
    tried = list(cases(points, operation, kind, every=max(1, len(points) // POINTS)))
    assert {case.mode for case in tried} >= {"error", "death"}
    failures = [(case, result.failure) for case in tried if (result := server.run(case)).failure]
    assert failures == []


def test_the_harness_sees_what_it_is_for(server: Server) -> None:
    """A process that dies at its first change has enrolled nothing; without a fault all of it goes on."""
    points = server.points("enrol", "flat")
    died = server.run(Case("enrol", "flat", "death", 1))
    assert (died.ended, died.failure) == ("died", "")
    beyond = server.run(Case("enrol", "flat", "error", len(points) + 1000))
    assert (beyond.ended, beyond.failure) == ("went on", "")
    assert set(MODES) == {case.mode for case in cases(points, "enrol", "flat")}
