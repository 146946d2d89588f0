"""What is left of forgotten people in a gallery's files: every trace of each is looked for in every byte.

    python -m benchmarks.forgetting

Galleries of random templates, whose people get random names, are forgotten in random order, one by one or several
together, until few are left. After each receipt that says clean, the files are searched for templates, names, paths and
hashes of everybody forgotten so far, and now and then a backup is, too. Writes `benchmarks/results/forgetting.json`.
"""

from __future__ import annotations

import random
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.common import measured
from benchmarks.faults.operations import DIMENSION, opened, templates
from facesearch import Gallery
from facesearch.store import SqlStore

_TELLING = 6  # bytes: shorter names stand in other people's


@dataclass
class Outcome:
    """What was found. left, in_backups: people with a trace in the files after a receipt that said clean."""

    kind: str
    people: int
    templates_each: int
    together: int
    forgotten: int = 0
    receipts: int = 0
    rewritten: int = 0
    left: int = 0
    in_backups: int = 0
    median_ms: float = 0.0
    slowest_ms: float = 0.0


class _CountedRewrites:
    """Counts how often a store is written anew."""

    def __init__(self, store: SqlStore) -> None:
        self.count, self._vacuum = 0, store.vacuum
        store.vacuum = self  # type: ignore[method-assign]

    def __call__(self) -> bool:
        self.count += 1
        return self._vacuum()


def traces(gallery: Gallery, name: str) -> list[bytes]:
    """Everything that must not be found any more of a person: each as whole as it was stored."""
    _, infos = gallery.identity(name)
    store = gallery.parts.store
    codes = store.templates.codes([info.id for info in infos]).codes
    found = [*codes, *(info.path.encode() for info in infos)]
    return [*found, name.encode()] if len(name) >= _TELLING else found


def people_in(content: bytes, traced: dict[str, list[bytes]]) -> set[str]:
    """Whose traces the bytes hold."""
    return {name for name, theirs in traced.items() if any(trace in content for trace in theirs)}


def forget_most(
    folder: Path, kind: str, people: int, each: int, together: int, seed: int, backups: int = 0, keep: float = 0.05
) -> Outcome:
    """Forget people of a new gallery in random order, and look for what is left of them after every receipt.

    together: how many at once. backups: after so many receipts one is made and searched. keep: the share that stays.
    """
    draw, outcome, took = random.Random(seed), Outcome(kind, people, each, together), list[float]()
    letters = "abcdefghijklmnopqrstuvwxyz"
    names = list({"".join(draw.choices(letters, k=draw.randrange(8, 40))): None for _ in range(people)})
    rows = [name for name in names for _ in range(each)]
    draw.shuffle(rows)
    with opened(folder / "gallery", index=kind) as gallery:
        for first in range(0, len(rows), 50):
            some = rows[first : first + 50]
            paths = [f"photos/{name}/{draw.random()}.jpg" for name in some]
            gallery.enroll_templates(some, templates(len(some), seed * 10_000 + first), sources=paths)
        rewrites, gone = _CountedRewrites(gallery.parts.store), dict[str, list[bytes]]()
        draw.shuffle(names)
        for first in range(0, int(len(names) * (1 - keep)), together):
            chosen = names[first : first + together]
            gone |= {name: traces(gallery, name) for name in chosen}
            started = time.perf_counter()
            receipts = gallery.forget_all(chosen)
            took.append(1000 * (time.perf_counter() - started))
            outcome.receipts += 1
            assert all(receipt.wiped for receipt in receipts)
            found = set().union(*(people_in(path.read_bytes(), gone) for path in _files(folder / "gallery")))
            outcome.left += len(found)
            if backups and outcome.receipts % backups == 0:
                archive = folder / "b.zip"
                gallery.backup(archive, overwrite=True)
                outcome.in_backups += len(people_in(archive.read_bytes(), gone))
        outcome.forgotten, outcome.rewritten = len(gone), rewrites.count
        assert gallery.check() == []
    outcome.median_ms, outcome.slowest_ms = round(float(np.median(took)), 1), round(max(took), 1)
    return outcome


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_file() and not path.name.endswith("-shm")]


def main() -> None:
    outcomes = []
    for kind, people, each, together, seed in (
        ("flat", 500, 1, 1, 1),
        ("flat", 400, 3, 1, 2),
        ("flat", 3000, 1, 20, 3),
        ("sq8", 1000, 1, 5, 4),
        ("sq8", 400, 3, 1, 5),
        ("sq8", 3000, 2, 20, 6),
    ):
        with tempfile.TemporaryDirectory() as folder:
            outcome = forget_most(Path(folder), kind, people, each, together, seed, backups=50)
        print(outcome)
        outcomes.append(asdict(outcome))
    measured(
        "forgetting", {"dimension": DIMENSION, "galleries": outcomes}, "python -m benchmarks.forgetting", ["numpy"]
    )


if __name__ == "__main__":
    main()
