"""What is left of an enrolment that is killed: everything that was confirmed, and nothing by halves.

    python -m benchmarks.kill_minus_nine

Photos of people who do not exist are enrolled by `python -m facesearch enroll -v`, which is killed (SIGKILL) twenty
times: half of the times at any moment after its start, half of the times within a twentieth of a second after it has
confirmed a photo. After each kill new processes look at what is left: the gallery opens, `facesearch index check` finds
nothing, the tables agree with each other, and every photo that was ever confirmed (`enrolled PATH` on standard error)
is found first by a query, with a similarity of at least 0.999. The next run goes on with the same gallery; when
everything is enrolled, a new gallery is begun. Writes benchmarks/results/kill_minus_nine.json.
"""

from __future__ import annotations

import argparse
import json
import selectors
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.common import measured
from benchmarks.photos import PRODUCT
from facesearch.store import DATABASE_NAME
from facesearch.workshop.sample_people import draw_people, write_photos

_LONGEST = 5.0  # seconds until a kill at any moment
_SHORTLY = 0.05  # seconds until a kill after a confirmation
_SAME = 0.999
_SEED = 0
_CONFIRMED = "enrolled "

# What must not be in the database after a transaction that was cut off; each counts rows.
_HALVES = {
    "identities without template": (
        "SELECT count(*) FROM identities WHERE id NOT IN (SELECT identity_id FROM templates)"
    ),
    "images without template": "SELECT count(*) FROM images WHERE id NOT IN (SELECT image_id FROM templates)",
    "templates without identity": (
        "SELECT count(*) FROM templates WHERE identity_id NOT IN (SELECT id FROM identities)"
    ),
    "templates without image": "SELECT count(*) FROM templates WHERE image_id NOT IN (SELECT id FROM images)",
    "templates of wrong size": (
        "SELECT count(*) FROM templates WHERE length(code) != 4 * (SELECT dimension FROM gallery)"
    ),
}


@dataclass(slots=True)
class Tally:
    """What was seen over all kills."""

    kills: int = 0
    galleries: int = 1
    checked: int = 0
    lost: int = 0
    damaged: int = 0
    damage: list[str] = field(default_factory=list)
    found: Counter[str] = field(default_factory=Counter)  # the state that a kill left behind


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--people", type=int, default=60)
    parser.add_argument("--photos", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        people = Path(scratch) / "people"
        photos = {str(path) for path in write_photos(people, draw_people(arguments.people), arguments.photos)}
        results = kill_often(people, photos, Path(scratch) / "gallery", arguments.kills)
    written = measured("kill_minus_nine", results, "python -m benchmarks.kill_minus_nine", PRODUCT)
    print(written.read_text(encoding="utf-8"))
    raise SystemExit(0 if results["lost"] == results["damaged"] == 0 else 1)


def kill_often(people: Path, photos: set[str], gallery: Path, kills: int) -> dict[str, object]:
    """Enrol and kill until there were enough kills, then enrol to the end and look once more."""
    tally, confirmed = Tally(), set[str]()
    generator = np.random.default_rng(_SEED)
    while tally.kills < kills:
        after_confirmation = tally.kills % 2 == 1
        delay = generator.uniform(0, _SHORTLY if after_confirmation else _LONGEST)
        killed, new = enrol_and_kill(people, gallery, delay, int(generator.integers(1, 100)) * after_confirmation)
        confirmed |= new
        if killed:
            tally.kills += 1
            tally.found[_left_behind(gallery, bool(new))] += 1
        _look(gallery, confirmed, tally)
        print(f"kill {tally.kills}: {len(confirmed)} confirmed, {tally.lost} lost", file=sys.stderr, flush=True)
        if not killed:  # everything is enrolled
            shutil.rmtree(gallery)
            confirmed = set()
            tally.galleries += 1
    _, new = enrol_and_kill(people, gallery, float("inf"), 0)
    confirmed |= new
    _look(gallery, confirmed, tally)
    return {
        "photos": len(photos),
        "kills": tally.kills,
        "kills_by_state_left": dict(tally.found.most_common()),
        "galleries": tally.galleries,
        "confirmed_photos_looked_for": tally.checked,
        "lost": tally.lost,
        "damaged": tally.damaged,
        "damage": tally.damage,
        "all_enrolled_at_the_end": _rows(gallery, "SELECT count(*) FROM templates") == len(photos),
    }


def enrol_and_kill(people: Path, gallery: Path, delay: float, confirmations: int) -> tuple[bool, set[str]]:
    """Enrol in a new process and kill it `delay` seconds after that many photos were confirmed.

    Returns whether it was killed (it may have ended before), and the photos that it confirmed.
    """
    command = [sys.executable, "-m", "facesearch", "enroll", "-v", str(people), "--gallery", str(gallery)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    due = float("inf") if confirmations else time.monotonic() + delay
    said = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stderr, selectors.EVENT_READ)
        while time.monotonic() < due:
            wait = None if due == float("inf") else due - time.monotonic()
            if not selector.select(wait):
                continue
            some = process.stderr.read1(65536)  # type: ignore[attr-defined]
            if not some:
                break
            said += some
            if due == float("inf") and 0 < confirmations <= said.count(b"\n"):
                due = time.monotonic() + delay
    process.send_signal(signal.SIGKILL)
    said += process.stderr.read()
    process.wait()
    process.stderr.close()
    # a line that was cut off confirms nothing
    lines = said.decode("utf-8").split("\n")[:-1]
    confirmed = {line.removeprefix(_CONFIRMED) for line in lines if line.startswith(_CONFIRMED)}
    return process.returncode == -signal.SIGKILL, confirmed


def _left_behind(gallery: Path, confirmed: bool) -> str:
    """In words, how far the killed process had come."""
    if not (gallery / DATABASE_NAME).exists():
        return "before the gallery was there"
    if list(gallery.glob(".index-*.tmp")):
        return "while the index file was written"
    return "after photos were confirmed" if confirmed else "before this run confirmed a photo"


# looking


def _look(gallery: Path, confirmed: set[str], tally: Tally) -> None:
    """Count what is lost and damaged in the gallery, as new processes see it."""
    if not (gallery / DATABASE_NAME).exists() or not (confirmed or _has_templates(gallery)):
        tally.lost += len(confirmed)
        return
    problems = _problems(gallery, len(confirmed))
    if problems:
        tally.damaged += 1
        tally.damage += problems
    tally.checked += len(confirmed)
    tally.lost += len(confirmed) - len(found_again(gallery, confirmed))


def _has_templates(gallery: Path) -> bool:
    """Whether a gallery just begun holds anything; one killed before its first photo has nothing to ask for."""
    try:
        return _rows(gallery, "SELECT count(*) FROM templates") > 0
    except sqlite3.OperationalError:  # not even tables; the next enrolment makes them
        return False


def _problems(gallery: Path, confirmed: int) -> list[str]:
    """What is wrong with a gallery, in words without paths."""
    found = []
    check = _facesearch("index", "check", "--gallery", str(gallery))
    if check.returncode != 0:
        found.append("index check: " + (check.stdout + check.stderr).replace(str(gallery), "GALLERY").strip())
    for what, statement in _HALVES.items():
        if rows := _rows(gallery, statement):
            found.append(f"{rows} {what}")
    info = _facesearch("gallery", "info", "--json", "--gallery", str(gallery))
    if info.returncode != 0:
        return [*found, "gallery info: " + info.stderr.replace(str(gallery), "GALLERY").strip()]
    told = json.loads(info.stdout)
    for table in ("identities", "templates"):
        if told[table] != _rows(gallery, f"SELECT count(*) FROM {table}"):
            found.append(f"gallery info and database differ in {table}")
    if told["templates"] < confirmed:
        found.append("fewer templates than photos confirmed")
    return found


def found_again(gallery: Path, confirmed: set[str]) -> set[str]:
    """The photos whose own identity comes first with a similarity of at least 0.999."""
    if not confirmed:
        return set()
    query = _facesearch("query", *sorted(confirmed), "-k", "1", "--json", "--gallery", str(gallery))
    if query.returncode != 0:
        return set()
    found = set()
    for probe in json.loads(query.stdout)["probes"]:
        for candidate in probe["faces"][0]["candidates"][:1]:
            if candidate["identity"] == Path(probe["path"]).parent.name and candidate["similarity"] >= _SAME:
                found.add(probe["path"])
    return found


def _facesearch(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "facesearch", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def _rows(gallery: Path, statement: str) -> int:
    connection = sqlite3.connect(f"{(gallery / DATABASE_NAME).absolute().as_uri()}?mode=ro", uri=True)
    try:
        return int(connection.execute(statement).fetchone()[0])
    finally:
        connection.close()


if __name__ == "__main__":
    main()
