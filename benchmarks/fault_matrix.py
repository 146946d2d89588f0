"""Every change of a file that a gallery's operations make, failing in every way: what is left is as it has to be.

    python -m benchmarks.fault_matrix                  # everything
    python -m benchmarks.fault_matrix --every 10       # each tenth point

Operations on galleries of ready templates run in processes whose k-th write, sync, rename, unlink or truncation fails
(once, or all writes from there on: a full disk) or is where the process ends (before it, or in the middle of a write),
for every k and for several kinds of index. The C library underneath Python and SQLite is stood in for, so that the
write-ahead log of the database counts as well as the index file. Afterwards a new look must find: the gallery opens;
`index check` is clean, or `index build` makes it so; what was confirmed is there and answers; what was forgotten is in
no answer and in no byte of the files; and the same operation, asked again, succeeds and leaves nothing lying about.
Writes benchmarks/results/fault_matrix.json.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from benchmarks.common import measured
from benchmarks.faults.harness import POINTS, Server, available, cases
from benchmarks.faults.operations import OPERATIONS

KINDS = ("flat", "sq8", "pq8", "rabitq+sq4")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), metavar="KIND")
    parser.add_argument("--operations", nargs="+", default=list(OPERATIONS), choices=list(OPERATIONS))
    parser.add_argument("--every", type=int, default=1, help="take each such point only")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at once")
    arguments = parser.parse_args()
    if why := available():
        raise SystemExit(why)
    started = time.monotonic()
    wanted = [(operation, kind) for kind in arguments.kinds for operation in arguments.operations]
    with tempfile.TemporaryDirectory() as scratch:
        folders = [Path(scratch) / str(job) for job in range(arguments.jobs)]
        with ExitStack() as running, ThreadPoolExecutor(arguments.jobs) as pool:
            servers = SimpleQueue[Server]()
            for folder in folders:
                folder.mkdir()
                servers.put(running.enter_context(Server(folder)))
            rows, failures = list[dict[str, Any]](), list[dict[str, object]]()
            for row, failed in pool.map(lambda each: _row(servers, each[0], each[1], arguments.every), wanted):
                rows.append(row)
                failures += failed
                _write(rows, failures, arguments.every, len(wanted), time.monotonic() - started)
    total, survived = sum(row["cases"] for row in rows), sum(row["survived"] for row in rows)
    print(
        f"{total} cases of {len(arguments.operations)} operations × {len(arguments.kinds)} kinds: {survived} survived"
    )
    raise SystemExit(0 if not failures else 1)


def _write(
    rows: list[dict[str, Any]], failures: list[dict[str, object]], every: int, wanted: int, seconds: float
) -> None:
    """Keep what is known so far: a run takes long, and may be cut off."""
    results = {
        "every": every,
        "complete": len(rows) == wanted,
        "cases": sum(row["cases"] for row in rows),
        "survived": sum(row["survived"] for row in rows),
        "minutes": round(seconds / 60, 1),
        "rows": rows,
        "failures": failures,
    }
    command = " ".join(["python -m benchmarks.fault_matrix", *([f"--every {every}"] * (every > 1))])
    measured("fault_matrix", results, command, ("numpy", "faiss-cpu", "sqlalchemy"))


def _row(
    servers: SimpleQueue[Server], operation: str, kind: str, every: int
) -> tuple[dict[str, Any], list[dict[str, object]]]:
    """The figures of an operation on one kind, and what did not survive."""
    server = servers.get()
    points = server.points(operation, kind)
    modes, ended, repaired, failures = Counter[str](), Counter[str](), 0, list[dict[str, object]]()
    for case in cases(points, operation, kind, every):
        result = server.run(case)
        modes[case.mode] += 1
        ended[result.ended] += 1
        repaired += result.repaired
        if result.failure:
            failures.append(
                {"operation": operation, "kind": kind, "mode": case.mode, "k": case.k, "what": result.failure}
            )
    servers.put(server)
    survived = modes.total() - len(failures)
    print(f"{kind:12} {operation:18} {modes.total()} cases, {survived} survived", file=sys.stderr, flush=True)
    return {
        "operation": operation,
        "kind": kind,
        "points": {name: points.count(letter) for letter, name in POINTS.items()},
        "cases": modes.total(),
        "modes": dict(modes),
        "ended": dict(ended),
        "repaired_by_build": repaired,
        "survived": survived,
    }, failures


if __name__ == "__main__":
    main()
