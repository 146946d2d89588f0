"""Commands that write to a gallery on a server, on one that has something for each of them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg
from PIL import Image

from facesearch.store.postgresql.address import Address
from facesearch.workshop.sample_people import draw_people, write_photos

PEOPLE, PHOTOS = 10, 3  # people 0 to 3 are enrolled from the first, 4 is new, 5 to 9 are strangers
Call = Callable[[tuple[str, ...]], int]


@dataclass(frozen=True, slots=True)
class Written:
    """A command. gallery: the name of the one that it writes to; {…}: see `Prepared.values`."""

    name: str
    words: tuple[str, ...]
    gallery: str = "seed"
    at_end: bool = True  # the gallery is given by --gallery, after all other words


COMMANDS = tuple(
    Written(name, tuple(words.split("|")), *more)
    for name, words, *more in (
        ("enroll, a new gallery", "enroll|-v|{people}", "fresh"),
        ("enroll", "enroll|-v|{newcomers}"),
        ("enroll --search database", "enroll|-v|{newcomers}|--search|database"),
        ("enroll --sync", "enroll|-v|--sync|--yes|{people}"),
        ("enroll --collect", "enroll|--collect|{newcomers}"),
        ("templates remove", "templates|remove|{template}"),
        ("templates set-aside", "templates|set-aside|{template}"),
        ("templates move", "templates|move|{template}|--to|{other}"),
        ("templates restore", "templates|restore|{removed}"),
        ("identities rename", "identities|rename|{name}|Somebody Else"),
        ("identities merge", "identities|merge|{name}|{other}"),
        ("identities forget", "identities|forget|{name}|--yes"),
        ("identities set", "identities|set|{name}|--tag|staff|--note|a note"),
        ("identities ignore", "identities|ignore|{name}"),
        ("identities negative", "identities|negative|{name}|{photo}"),
        ("unknown add", "unknown|add|{newcomers}"),
        ("unknown cluster", "unknown|cluster"),
        ("unknown join", "unknown|join|{cluster}|{another}"),
        ("unknown part", "unknown|part|f{face}"),
        ("unknown name", "unknown|name|{cluster}|Found Again"),
        ("unknown ignore", "unknown|ignore|{cluster}"),
        ("unknown discard", "unknown|discard|{cluster}"),
        ("index build --kind", "index|build|--kind|sq8"),
        ("index build --search database", "index|build|--search|database"),
        ("gallery set", "gallery|set|--threshold|0.43|--quality|strict"),
        ("gallery import", "gallery|import|{exported}"),
        ("gallery thin", "gallery|thin|--keep|1|--yes"),
        ("gallery compact", "gallery|compact"),
        ("gallery suspects --set-aside", "gallery|suspects|--set-aside|--at-least|0.2"),
        ("gallery suspects --keep", "gallery|suspects|--keep|{planted}"),
        ("calibrate --cohort", "calibrate|--cohort|{strangers}"),
        ("gallery backup", "gallery|backup|{scratch}/new.zip|--force"),
        ("gallery restore", "gallery|restore|{archive}", "restored"),
        ("gallery copy", "gallery|copy|{folder}|{url}", "copied", False),
    )
)


@dataclass(frozen=True, slots=True)
class Prepared:
    """What commands are given."""

    values: dict[str, str]

    def arguments(self, command: Written, url: str, scratch: Path) -> list[str]:
        """url: of the gallery that it is about; scratch: a folder of this run."""
        given = self.values | {"url": url, "scratch": str(scratch)}
        words = [word.format_map(given) for word in command.words]
        return [*words, "--gallery", url] if command.at_end else words


def prepare(folder: Path, url: str, call: Call) -> Prepared:
    """Begin the gallery at `url` and write files into `folder`. call: runs a command and gives its status."""
    drawn = folder / "drawn"
    write_photos(drawn, draw_people(PEOPLE), PHOTOS)
    known = sorted(drawn.iterdir())
    values = {"folder": str(folder / "gallery")}
    for name, some in (
        ("people", known[:4]),
        ("newcomers", known[4:5]),
        ("strangers", known[5:]),
        ("more", known[5:7]),
    ):
        for person in some:
            shutil.copytree(person, folder / name / person.name)
        values[name] = str(folder / name)
    planted = folder / "people" / known[3].name / "planted.jpg"  # somebody else's
    with Image.open(next(known[0].iterdir())) as photo:
        photo.resize((photo.width * 9 // 10, photo.height * 9 // 10)).save(planted)
    values |= {"planted": str(planted), "photo": str(next(known[7].iterdir()))}
    at = ("--gallery", url)
    for words in (
        ("enroll", values["people"], "--gallery", values["folder"]),
        ("enroll", str(known[4]), "--identity", known[4].name, "--gallery", str(folder / "other")),
        ("gallery", "export", str(folder / "exported.npz"), "--gallery", str(folder / "other")),
        ("enroll", values["people"], *at),
        ("identities", "set", known[1].name, "--tag", "crew", *at),
        ("unknown", "add", values["more"], *at),
        ("unknown", "cluster", *at),
        ("index", "build", "--search", "database", *at),
    ):
        assert call(words) == 0, words
    values |= {"exported": str(folder / "exported.npz"), "name": _name(url, 0), "other": _name(url, 1)}
    first, second = _first(url, "SELECT id FROM templates WHERE identity_id = 1 ORDER BY id", 2)
    (third,) = _first(url, "SELECT id FROM templates WHERE identity_id = 2 ORDER BY id", 1)
    for words in (("templates", "remove", str(second), *at), ("templates", "set-aside", str(third), *at)):
        assert call(words) == 0, words
    clusters = _first(url, "SELECT DISTINCT cluster_id FROM unknown_faces WHERE cluster_id IS NOT NULL ORDER BY 1", 2)
    in_cluster = "SELECT id FROM unknown_faces WHERE cluster_id IS NOT NULL ORDER BY id"
    values |= {"template": str(first), "removed": str(second), "face": str(_first(url, in_cluster, 1)[0])}
    values |= {"cluster": str(clusters[0]), "another": str(clusters[1]), "archive": str(folder / "archive.zip")}
    assert call(("gallery", "backup", values["archive"], *at)) == 0
    next((folder / "people" / known[2].name).iterdir()).unlink()  # for --sync
    shutil.copy(next(known[4].iterdir()), folder / "people" / known[2].name / "new.jpg")
    return Prepared(values)


def _first(url: str, statement: str, count: int) -> list[int]:
    address = Address.of(url)
    with psycopg.connect(address.conninfo, options=f"-c search_path={address.gallery}") as connection:
        return [int(row[0]) for row in connection.execute(statement.encode()).fetchmany(count)]


def _name(url: str, which: int) -> str:
    address = Address.of(url)
    with psycopg.connect(address.conninfo, options=f"-c search_path={address.gallery}") as connection:
        return str(connection.execute("SELECT name FROM identities ORDER BY id").fetchall()[which][0])
