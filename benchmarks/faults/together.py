"""Two machines enrol the same folder into the same gallery at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.faults.facts import facts
from benchmarks.faults.machine import look, start
from benchmarks.faults.own_server import OwnServer
from facesearch.workshop.sample_people import draw_people, write_photos

_PEOPLE, _PHOTOS = 6, 3


def together(folder: Path, times: int) -> dict[str, Any]:
    """How often both finished, and what was enrolled in all; each time into a new gallery."""
    server = OwnServer(folder / "together").create().start()
    photos = write_photos(folder / "people", draw_people(_PEOPLE), _PHOTOS)
    told: dict[str, Any] = {"runs": times, "photos": len(photos), "finished": 0, "duplicates": 0, "missing": 0}
    told |= {"wrong": 0, "problems": 0}
    try:
        for number in range(times):
            url = f"{server.url}?gallery=together_{number}"
            homes = [folder / f"together-{number}-{which}" for which in "ab"]
            for home in homes:
                home.mkdir()
            words = ["enroll", str(folder / "people"), "--gallery", url]
            both = [start(words, home, home / "said") for home in homes]
            statuses = [each.wait() for each in both]
            told["finished"] += statuses == [0, 0]
            found = facts(url)
            templates = sum(count for fact, count in found.items() if fact.startswith("template "))
            told["duplicates"] += max(0, templates - len(photos))
            told["missing"] += max(0, len(photos) - templates)
            for home in homes:
                looked = look(url, home, home / "looked", in_database=False)
                told["wrong"] += len(looked.wrong) + (looked.found != len(photos))
                told["problems"] += len(looked.problems)
    finally:
        server.stop()
    return told
