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
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
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
    arguments = parser.parse_args()
    if why := available():
        raise SystemExit(why)
    started, rows, failures = time.monotonic(), [], list[dict[str, object]]()
    with tempfile.TemporaryDirectory() as scratch, Server(Path(scratch)) as server:
        for kind in arguments.kinds:
            for operation in arguments.operations:
                row, failed = _row(server, operation, kind, arguments.every)
                rows.append(row)
                failures += failed
                line = f"{kind:12} {operation:18} {row['cases']} cases, {row['survived']} survived"
                print(line, file=sys.stderr, flush=True)
    total = sum(row["cases"] for row in rows)
    results = {
        "every": arguments.every,
        "cases": total,
        "survived": sum(row["survived"] for row in rows),
        "minutes": round((time.monotonic() - started) / 60, 1),
        "rows": rows,
        "failures": failures,
    }
    command = " ".join(["python -m benchmarks.fault_matrix", *([f"--every {arguments.every}"] * (arguments.every > 1))])
    measured("fault_matrix", results, command, ("numpy", "faiss-cpu", "sqlalchemy"))
    print(
        f"{total} cases of {len(OPERATIONS)} operations × {len(arguments.kinds)} kinds: {results['survived']} survived"
    )
    raise SystemExit(0 if not failures else 1)


def _row(server: Server, operation: str, kind: str, every: int) -> tuple[dict[str, Any], list[dict[str, object]]]:
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
    return {
        "operation": operation,
        "kind": kind,
        "points": {name: points.count(letter) for letter, name in POINTS.items()},
        "cases": modes.total(),
        "modes": dict(modes),
        "ended": dict(ended),
        "repaired_by_build": repaired,
        "survived": modes.total() - len(failures),
    }, failures


if __name__ == "__main__":
    main()
