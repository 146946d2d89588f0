"""A primary is killed under load, and its synchronous standby takes over: machines that enrol and ask go on."""

from __future__ import annotations

import itertools
import json
import random
import time
from pathlib import Path
from typing import Any

from benchmarks.faults.facts import facts
from benchmarks.faults.machine import at_home, process
from benchmarks.faults.operations import NoEncoder, templates
from benchmarks.faults.own_server import OwnServer
from facesearch import Gallery
from facesearch.errors import FacesearchError

_KNOWN = 500  # templates before
_WRITERS, _ASKERS = 2, 2
_BEFORE, _AFTER = 4.0, 4.0  # seconds of load before the kill, and after both go on
_LONGEST = 60.0
_SURE = 1.0  # seconds after which something confirmed has to be in every answer
_PAUSE = 0.02
_ALIKE = 0.9


def failover(folder: Path, times: int) -> dict[str, Any]:
    """What is lost, wrong and twice over all takeovers, and how long it took until both went on."""
    runs = [_one(folder / f"failover-{number}") for number in range(times)]
    counts = ("confirmed", "lost", "wrong", "stale", "duplicates", "answers", "problems")
    return {
        "runs": times,
        "writers": _WRITERS,
        "askers": _ASKERS,
        **{name: sum(run[name] for run in runs) for name in counts},
        "promoted_seconds": sorted(run["promoted"] for run in runs),
        "answer_seconds": sorted(run["answer"] for run in runs),
        "enrolment_seconds": sorted(run["enrolment"] for run in runs),
    }


def _one(folder: Path) -> dict[str, Any]:
    folder.mkdir()
    primary = OwnServer(Path(f"{folder}-primary"), shared_buffers="32MB").create().start()
    standby = primary.standby(Path(f"{folder}-standby"), "second", shared_buffers="32MB").start()
    try:
        hosts = f"postgresql://postgres@127.0.0.1:{primary.port},127.0.0.1:{standby.port}/postgres?connect_timeout=3"
        asking, writing = f"{hosts}&gallery=g", f"{hosts}&target_session_attrs=read-write&gallery=g"
        with Gallery.open(writing, encoder=NoEncoder()) as gallery:
            gallery.enroll_templates([_name("known", row) for row in range(_KNOWN)], templates(_KNOWN, _seed("known")))
        primary.execute("ALTER SYSTEM SET synchronous_standby_names = 'second'")
        primary.execute("SELECT pg_reload_conf()")
        stop, logs = folder / "stop", []
        started = []
        for work, url, count in ((_write, writing, _WRITERS), (_ask, asking, _ASKERS)):
            for number in range(count):
                log = folder / f"{work.__name__}{number}.log"
                logs.append(log)
                started.append(process(work, (url, str(folder / log.stem), str(log), str(stop), number)))
        for each in started:
            each.start()
        began = time.time()
        _until(lambda: _all_did_something(logs, began), "all are at work")
        time.sleep(_BEFORE)
        primary.kill()
        killed = time.time()
        standby.promote()
        promoted = time.time() - killed
        _until(lambda: _all_did_something(logs, killed), "all go on")
        time.sleep(_AFTER)
        stop.touch()
        for each in started:
            each.join(_LONGEST)
            each.kill()
        told = _told(logs, killed, f"{standby.url}?gallery=g")
        with Gallery.open(f"{standby.url}?gallery=g", encoder=NoEncoder()) as gallery:
            told["problems"] = len(gallery.check())
        return told | {"promoted": round(promoted, 2)}
    finally:
        primary.stop()
        standby.stop()


def _told(logs: list[Path], killed: float, url: str) -> dict[str, Any]:
    lines = [json.loads(line) for log in logs for line in _whole(log)]
    there = _templates_of(url)
    confirmed = [line["name"] for line in lines if line["did"] == "enrolled"]
    later = {
        did: [line["at"] - killed for line in lines if line["did"] == did and line["began"] > killed] for did in _DID
    }
    return {
        "confirmed": len(confirmed),
        "lost": sum(name not in there for name in confirmed),
        "duplicates": sum(count - 1 for count in there.values()),
        "answers": sum(line["did"] == "answered" for line in lines),
        "wrong": sum(line["did"] == "wrong" for line in lines),
        "stale": sum(line["did"] == "stale" for line in lines),
        "answer": round(min(later["answered"]), 2),
        "enrolment": round(min(later["enrolled"]), 2),
    }


_DID = ("answered", "enrolled")


def _templates_of(url: str) -> dict[str, int]:
    """How many templates everybody has."""
    found: dict[str, int] = {}
    for fact, count in facts(url).items():
        kind, name, *_ = fact.split(" ")
        if kind == "template":
            found[name] = found.get(name, 0) + count
    return found


def _until(done: Any, what: str) -> None:
    due = time.monotonic() + _LONGEST
    while not done():
        if time.monotonic() > due:
            raise RuntimeError(f"not in time: {what}")
        time.sleep(0.1)


def _all_did_something(logs: list[Path], since: float) -> bool:
    return all(
        any(line["at"] > since and line["did"] in _DID for line in map(json.loads, _whole(log)[-5:])) for log in logs
    )


def _whole(log: Path) -> list[str]:
    return log.read_text().split("\n")[:-1] if log.exists() else []


# in processes of their own


def _name(who: str, row: int) -> str:
    return f"{who}-{row}"


def _seed(who: str) -> int:
    return 1000 + sum(map(ord, who))


def _write(url: str, home: str, log: str, stop: str, number: int) -> None:
    """Enrol one person after the other; what was not confirmed is tried again."""
    at_home(home)
    who = f"writer{number}"
    vectors = templates(20_000, _seed(who))
    gallery = None
    with Path(log).open("a", buffering=1) as out:
        for row in itertools.count():
            while not Path(stop).exists():
                began = time.time()
                try:
                    gallery = gallery or Gallery.open(url, encoder=NoEncoder())
                    gallery.enroll_templates([_name(who, row)], vectors[row : row + 1])
                except FacesearchError as error:
                    out.write(json.dumps({"at": time.time(), "did": "failed", "why": str(error)}) + "\n")
                    time.sleep(_PAUSE)
                else:
                    said = {"at": time.time(), "began": began, "did": "enrolled", "name": _name(who, row)}
                    out.write(json.dumps(said) + "\n")
                    time.sleep(_PAUSE)
                    break
            if Path(stop).exists():
                break
    if gallery is not None:
        gallery.close()


def _ask(url: str, home: str, log: str, stop: str, number: int) -> None:
    """Ask for people who were known before, and for those whose enrolment was confirmed a moment ago."""
    at_home(home)
    draw = random.Random(number)
    of = {who: templates(20_000, _seed(who)) for who in (f"writer{each}" for each in range(_WRITERS))}
    of["known"] = templates(_KNOWN, _seed("known"))
    gallery = None
    with Path(log).open("a", buffering=1) as out:
        while not Path(stop).exists():
            who = draw.choice(list(of))
            row = draw.randrange(_KNOWN) if who == "known" else _confirmed(Path(log).parent, who)
            if row is None:
                time.sleep(_PAUSE)
                continue
            began = time.time()
            try:
                gallery = gallery or Gallery.open(url, encoder=NoEncoder(), create=False)
                best = gallery.search(of[who][row : row + 1], 1)[0][0]
            except FacesearchError as error:
                did = {"did": "failed", "why": str(error)}
            else:
                right = best.identity == _name(who, row)
                did = {"did": "answered" if right else "wrong" if best.similarity > _ALIKE else "stale"}
            out.write(json.dumps({"at": time.time(), "began": began, **did}) + "\n")
            time.sleep(_PAUSE)
    if gallery is not None:
        gallery.close()


def _confirmed(folder: Path, who: str) -> int | None:
    """The last row of a writer that was confirmed for long enough."""
    said = map(json.loads, _whole(folder / f"_write{who[-1]}.log")[-200:])
    sure = [line for line in said if line["did"] == "enrolled"]
    rows = [int(line["name"].rpartition("-")[2]) for line in sure if line["at"] < time.time() - _SURE]
    return rows[-1] if rows else None
