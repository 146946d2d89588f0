"""Processes of a machine that uses a gallery on a server, and has a home.

Run by the fork server of `multiprocessing`, which loads this module first.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

import facesearch.commands.app
import facesearch.gallery.backup
import facesearch.gallery.collecting
import facesearch.gallery.copying
import facesearch.gallery.enrolment
import facesearch.inference.onnx_session
import facesearch.store.servers  # loaded once, not by each process
from facesearch import Gallery
from facesearch.errors import FacesearchError, GalleryNotFoundError

_SAME = 0.98
_HUNG_SECONDS = 120.0

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload([__name__])


@dataclass(slots=True)
class Looked:
    """found: right answers; wrong: those that are not; problems: what `index check` says."""

    found: int
    wrong: list[str]
    problems: list[str]


class Started:
    """A command that runs. said: what it printed so far, on both channels."""

    def __init__(self, process: BaseProcess, out: Path) -> None:
        self.process = process
        self._out = out
        self._began = time.monotonic()

    @property
    def said(self) -> str:
        return self._out.read_text(encoding="utf-8", errors="replace") if self._out.exists() else ""

    def wait(self, seconds: float = _HUNG_SECONDS) -> int | None:
        """Its status; None where it hangs."""
        self.process.join(seconds)
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()
            return None
        return self.process.exitcode


def start(words: list[str], home: Path, out: Path) -> Started:
    """Run a command as the machine with that home."""
    process = _context.Process(target=_command, args=(words, str(home), str(out)))
    process.start()
    return Started(process, out)


def process(work: Callable[..., None], arguments: tuple[object, ...]) -> BaseProcess:
    """A process that does this; not started yet."""
    return _context.Process(target=work, args=arguments)


def look(url: str, home: Path, out: Path, *, in_database: bool) -> Looked:
    """What is wrong with a gallery, as a process of the machine with that home sees it."""
    process = _context.Process(target=_look, args=(url, str(home), str(out), in_database))
    process.start()
    process.join(_HUNG_SECONDS)
    if process.exitcode != 0:
        process.kill()
        return Looked(0, [], [f"looking ended with {process.exitcode}"])
    return Looked(**json.loads(out.read_text(encoding="utf-8")))


def at_home(home: str) -> None:
    """This process belongs to the machine with that home."""
    os.environ |= {"FACESEARCH_HOME": home, "FACESEARCH_GALLERY": f"{home}/gallery", "OMP_NUM_THREADS": "1"}


def _command(words: list[str], home: str, out: str) -> None:
    at_home(home)
    with Path(out).open("wb") as file:
        for channel in (1, 2):
            os.dup2(file.fileno(), channel)
    sys.argv = ["facesearch", *words]
    facesearch.commands.app.run()


def _look(url: str, home: str, out: str, in_database: bool) -> None:
    at_home(home)
    looked = Looked(0, [], [])
    try:
        search = "database" if in_database else "projection"
        with Gallery.open(url, create=False, search=search) as gallery:
            _ask(gallery, looked)
            looked.problems.extend(gallery.check())
    except GalleryNotFoundError:
        pass
    except FacesearchError as error:
        if "is an unfinished copy" not in str(error):  # which is no gallery yet
            looked.problems.append(str(error))
    Path(out).write_text(json.dumps(asdict(looked)), encoding="utf-8")


def _ask(gallery: Gallery, looked: Looked) -> None:
    """Every template is found as whose it is; people who are not there are never named."""
    parts = gallery.parts
    with parts.store.moment() as moment:
        state, owners = moment.state(), moment.template_owners()
        ignored = set(moment.ignored().tolist())
        stored = list(moment.templates())
    if state is None or not stored:
        return
    names = {parts.store.identities.find(person.name).id: person.name for person in gallery.identities()}
    people, owner = set(names.values()), dict(zip(owners.ids.tolist(), owners.identity_ids.tolist(), strict=True))
    for batch in stored:
        vectors = parts.codecs.decode(batch.codes, batch.codecs, state.settings.dimension)
        for number, found in zip(batch.ids.tolist(), gallery.search(vectors, 3), strict=True):
            gone = [each.identity for each in found if each.identity not in people]
            whose = names[owner[number]]
            if gone:
                looked.wrong.append(f"{gone[0]} is named, who is not there")
            elif owner[number] in ignored:
                continue
            elif not found or found[0].identity != whose or found[0].similarity < _SAME:
                looked.wrong.append(f"a template of {whose} is answered as {found[:1]}")
            else:
                looked.found += 1
