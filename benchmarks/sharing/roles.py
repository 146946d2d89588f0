"""The processes of a soak: one that changes a gallery, others that ask. `python -m benchmarks.sharing.roles ROLE …`."""

from __future__ import annotations

import gc
import json
import random
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

import psutil

from benchmarks.sharing.people import opened, photo
from facesearch import Gallery

PHOTOS = 3  # of each person at enrolment
_PAUSE = 0.01  # seconds between two questions of one who asks
_BREATH = 0.03  # seconds between two changes


def main() -> None:
    role, folder, log, seconds, people, kinds = sys.argv[1:]
    if role == "writer":
        change(folder, Path(log), float(seconds), int(people), kinds.split(" "))
    else:
        ask(folder, Path(log), float(seconds), int(people), int(role.removeprefix("asker")))


def start(folder: str, log: Path, people: int, kind: str) -> None:
    """A gallery of so many people, and the beginning of its history."""
    with opened(folder, kind) as gallery, log.open("w", encoding="utf-8") as history:
        writer = Writer(gallery, history, people)
        writer.enroll(people)
        writer.build(kind)


class Writer:
    """Changes a gallery and writes down what, when."""

    def __init__(self, gallery: Gallery, history: TextIO, next_person: int = 0) -> None:
        self._gallery, self._history = gallery, history
        self._next = 0
        self.people: dict[str, list[tuple[int, int]]] = {}

    def enroll(self, count: int = 1) -> None:
        for _ in range(count):
            person, self._next = self._next, self._next + 1
            photos = [(person, number) for number in range(PHOTOS)]
            name = f"person {person}"
            self.people[name] = photos
            self._do(
                "enroll",
                [name],
                photos,
                lambda name=name, photos=photos: self._gallery.enroll_templates(
                    [name] * len(photos), [photo(*each) for each in photos]
                ),
            )

    def grow(self, name: str) -> None:
        person = self.people[name][0][0]
        more = [(person, 1000 + self._next)]
        self._next += 1
        self.people[name] += more
        self._do("enroll", [name], more, lambda: self._gallery.enroll_templates([name], [photo(*more[0])]))

    def rename(self, old: str, new: str) -> None:
        self.people[new] = self.people.pop(old)
        self._do("rename", [old, new], [], lambda: self._gallery.rename(old, new))

    def merge(self, sources: Sequence[str], target: str) -> None:
        for source in sources:
            self.people[target] += self.people.pop(source)
        self._do("merge", [*sources, target], [], lambda: self._gallery.merge(*sources, into=target))

    def forget(self, names: Sequence[str]) -> None:
        for name in names:
            del self.people[name]
        self._do("forget", names, [], lambda: self._gallery.forget_all(names))

    def build(self, kind: str, keep: str | None = None) -> None:
        self._do("build", [kind], [], lambda: self._gallery.build_index(kind, keep=keep))

    def compact(self) -> None:
        self._do("compact", [], [], self._gallery.compact)

    def _do(self, action: str, names: Sequence[str], photos: Sequence[tuple[int, int]], work: Any) -> None:
        begun = time.monotonic_ns()
        work()
        line = {"action": action, "names": names, "photos": photos, "start": begun, "end": time.monotonic_ns()}
        self._history.write(json.dumps(line) + "\n")
        self._history.flush()


def change(folder: str, log: Path, seconds: float, people: int, kinds: Sequence[str]) -> None:
    """Enrol, rename, merge, forget, build and compact until the time is over; the number of people stays about it."""
    chance, deadline, kind = random.Random(1), time.monotonic() + seconds, 0
    with opened(folder) as gallery, log.open("a", encoding="utf-8") as history:
        writer = Writer(gallery, history)
        writer.people = {person.name: [] for person in gallery.identities()}
        for name in writer.people:
            writer.people[name] = [(int(name.split()[1]), number) for number in range(PHOTOS)]
        writer._next = people
        while time.monotonic() < deadline:
            names = list(writer.people)
            some = chance.sample(names, 3)
            dice = chance.random() + (0.15 if len(names) < people else -0.15)
            if dice > 0.45:
                writer.enroll(chance.choice((1, 1, 1, 4)))
            elif dice > 0.35:
                writer.grow(some[0])
            elif dice > 0.27:
                writer.rename(some[0], f"renamed {chance.getrandbits(40)}")
            elif dice > 0.19:
                writer.merge(some[: chance.choice((1, 2))], some[2])
            elif dice > -0.02:
                writer.forget(some[: chance.choice((1, 1, 2))])
            elif dice > -0.05:
                kind += 1
                # Each kind's own codes once; again and again, what coding loses would add up.
                writer.build(kinds[kind % len(kinds)], None if kind < len(kinds) else "fp32")
            else:
                writer.compact()
            time.sleep(_BREATH)


def ask(folder: str, log: Path, seconds: float, people: int, threads: int) -> None:
    """Ask with so many threads that share one gallery, until the time is over."""
    deadline = time.monotonic() + seconds
    failures: list[str] = []
    with opened(folder) as gallery:
        opened_at = {"memory": _memory(), "descriptors": psutil.Process().num_fds()}
        askers = [
            threading.Thread(
                target=_ask, args=(gallery, log.with_suffix(f".{number}"), deadline, people, number, failures)
            )
            for number in range(threads)
        ]
        for asker in askers:
            asker.start()
        time.sleep(seconds / 4)
        early = {"memory": _memory(), "descriptors": psutil.Process().num_fds()}
        for asker in askers:
            asker.join()
        late = {"memory": _memory(), "descriptors": psutil.Process().num_fds()}
    seen = {"opened": opened_at, "early": early, "late": late, "failures": failures[:20], "failed": len(failures)}
    log.write_text(json.dumps(seen), encoding="utf-8")


def _ask(gallery: Gallery, log: Path, deadline: float, people: int, seed: int, failures: list[str]) -> None:
    chance = random.Random(100 + seed)
    with log.open("w", encoding="utf-8") as file:
        while time.monotonic() < deadline:
            probe = (chance.randrange(3 * people), chance.choice((*range(PHOTOS), 9)))
            k = chance.choice((1, 3, 5))
            begun = time.monotonic_ns()
            try:
                (found,) = gallery.search(photo(*probe)[None], k)
            except BaseException:
                failures.append(traceback.format_exc(limit=-3))
                continue
            answer = [(each.identity, each.similarity, each.template_id) for each in found]
            line = {"probe": probe, "k": k, "answer": answer, "start": begun, "end": time.monotonic_ns()}
            file.write(json.dumps(line) + "\n")
            time.sleep(_PAUSE)


def _memory() -> int:
    gc.collect()
    return int(psutil.Process().memory_info().rss)


if __name__ == "__main__":
    main()
