"""A gallery under use for ten minutes: is every answer right, and does nothing grow?

    python -m benchmarks.soak [--seconds 600] [--people 300]

Four threads that share one `Gallery` and two further processes ask, while another process enrols, renames, merges,
forgets, changes the kind of index and compacts. Every answer is compared with a model of the history: it has to be
right for some moment between question and answer. Writes benchmarks/results/soak.json.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.common import measured
from benchmarks.sharing.history import People, read, read_changes, read_questions, wrong_answers
from benchmarks.sharing.people import opened
from benchmarks.sharing.roles import start

KINDS = ("flat", "sq8", "tcq32", "rabitq+sq8", "hnsw16", "ivf8,sq8", "pca32,fs16+sq8", "pq32")
_MEMORY_SPARE = 24 << 20  # bytes that who asks may have grown by between a quarter of the time and its end
_DESCRIPTOR_SPARE = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--people", type=int, default=300)
    options = parser.parse_args()
    found = soak(options.seconds, options.people, KINDS)
    print(found)
    measured("soak", found, f"python -m benchmarks.soak --seconds {options.seconds:g} --people {options.people}")
    raise SystemExit(bool(problems(found)))


def soak(seconds: float, people: int, kinds: tuple[str, ...]) -> dict[str, Any]:
    """Run it; what happened, in numbers, and the first few things that went wrong, in words."""
    with tempfile.TemporaryDirectory() as made:
        folder, logs = f"{made}/gallery", Path(made)
        start(folder, logs / "history", people, kinds[0])
        roles = {"asker4": "asked", "asker1": "asked-too", "asker01": "asked-as-well", "writer": "history"}
        processes = {
            log: subprocess.Popen(
                [
                    *(sys.executable, "-m", "benchmarks.sharing.roles", role, folder, str(logs / log)),
                    *(str(seconds), str(people), " ".join(kinds)),
                ],
                stderr=subprocess.PIPE,
                text=True,
            )
            for role, log in roles.items()
        }
        said = {log: process.communicate(timeout=seconds + 300)[1] for log, process in processes.items()}
        died = {log: said[log][-600:] for log, process in processes.items() if process.returncode}
        changes = read_changes(logs / "history")
        questions = [each for log in logs.glob("asked*.?") for each in read_questions(log)]
        askers = [next(read(logs / log)) for log in roles.values() if log != "history" and log not in died]
        wrong = wrong_answers(changes, questions)
        last = People()
        for change in changes:
            last = last.after(change)
        with opened(folder) as gallery:
            check, counts = gallery.check(), gallery.counts()
        agrees = (counts.identities, counts.templates) == (len(set(last.owners.values())), len(last.owners))
    return {
        "seconds": seconds,
        "people": people,
        "kinds": list(kinds),
        "changes": dict(Counter(change.action for change in changes)),
        "questions": len(questions),
        "wrong": len(wrong),
        "wrong_shown": wrong[:5],
        "failed": sum(asker["failed"] for asker in askers),
        "failures_shown": [text for asker in askers for text in asker["failures"]][:3],
        "died": died,
        "check": check,
        "counts_agree": agrees,
        "memory_bytes": [(asker["early"]["memory"], asker["late"]["memory"]) for asker in askers],
        "descriptors": [(asker["early"]["descriptors"], asker["late"]["descriptors"]) for asker in askers],
    }


def problems(found: dict[str, Any]) -> list[str]:
    """What went wrong, a line each."""
    lines: list[str] = [f"{name}: {found[name]}" for name in ("wrong", "failed", "died", "check") if found[name]]
    lines += [] if found["counts_agree"] else ["the gallery holds others than the history says"]
    lines += [f"memory grew: {pair}" for pair in found["memory_bytes"] if pair[1] - pair[0] > _MEMORY_SPARE]
    lines += [f"descriptors grew: {pair}" for pair in found["descriptors"] if pair[1] - pair[0] > _DESCRIPTOR_SPARE]
    return [*lines, *found["wrong_shown"], *found["failures_shown"]]


if __name__ == "__main__":
    main()
