"""What a gallery is asked to do while its disk fails, and what has to be true afterwards.

An operation works on a prepared gallery of ready templates and says over `say` what has been confirmed to it. Its
`verify` gets the gallery as the next process opens it after the fault, its folder, and what was said; it raises
AssertionError where something is not as it has to be.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from facesearch import Gallery
from facesearch.encoders import EncoderSpec
from facesearch.store import open_store

DIMENSION = 32
PEOPLE = 150
TEMPLATES = 2 * PEOPLE
NEW = 12  # templates enrolled while the disk fails, in calls of 4
FORGOTTEN, MERGED, INTO = "Leavesnotrace", "person 5", "person 6"
ARCHIVE, OTHER, CODES = "backup.zip", "other", "codes"

_LEAST = 0.5  # of a template with itself: what pq8 leaves of one that it was not trained on

Vectors = npt.NDArray[np.float32]
Say = Callable[[str], None]


class NoEncoder:
    """Stands for the encoder of templates that come ready; it encodes nothing."""

    spec = EncoderSpec("ready", "fp32", "memory")
    fingerprint = hashlib.sha256(b"ready").hexdigest()
    crop, crop_size, dimension, threshold, device = "arcface", 112, DIMENSION, 0.5, "cpu"

    def encode(self, crops: npt.NDArray[np.uint8]) -> Vectors:
        raise NotImplementedError


def templates(count: int, seed: int) -> Vectors:
    """(count, DIMENSION) float32 of unit length."""
    vectors = np.random.default_rng(seed).normal(size=(count, DIMENSION))
    unit: Vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit


OLD, FRESH = templates(TEMPLATES, 0), templates(NEW, 1)


def owner(row: int) -> str:
    return FORGOTTEN if row // 2 == 3 else f"person {row // 2}"


def newcomer(row: int) -> str:
    return f"newcomer {row // 2}"


def opened(folder: Path, index: str | None = None) -> Gallery:
    return Gallery.open(folder, encoder=NoEncoder(), index=index)


def prepare(folder: Path, kind: str) -> None:
    """A gallery of 150 people with two templates each, its index, and a backup beside it, made before OTHER joined."""
    with opened(folder / "gallery", index=kind) as gallery:
        gallery.enroll_templates([owner(row) for row in range(TEMPLATES)], OLD)
        gallery.build_index()
        gallery.backup(folder / ARCHIVE)
        gallery.enroll_templates([OTHER], templates(1, 2))
    with open_store(folder / "gallery") as store:
        ids = [info.id for info in store.identities.templates(FORGOTTEN)]
        (folder / CODES).write_bytes(b"".join(store.templates.codes(ids).codes))


# what can be asked


def _enrol(folder: Path, say: Say) -> None:
    with opened(folder / "gallery") as gallery:
        for first in range(0, NEW, 4):
            names = [newcomer(row) for row in range(first, first + 4)]
            gallery.enroll_templates(names, FRESH[first : first + 4], committed=_Counting(first, say))


@dataclass(frozen=True, slots=True)
class _Counting:
    """Says the row of a template among all of them, given its row among those of a call."""

    first: int
    say: Say

    def __call__(self, row: int) -> None:
        self.say(str(self.first + row))


def _forget(folder: Path, say: Say) -> None:
    with opened(folder / "gallery") as gallery:
        gallery.forget(FORGOTTEN)
        say("forgotten")


def _merge(folder: Path, say: Say) -> None:
    with opened(folder / "gallery") as gallery:
        gallery.merge(MERGED, INTO)
        say("merged")


def _rename(folder: Path, say: Say) -> None:
    with opened(folder / "gallery") as gallery:
        gallery.rename(MERGED, "renamed")
        say("renamed")


def _switch(folder: Path, say: Say) -> None:
    with opened(folder / "gallery") as gallery:
        kind = "sq8" if gallery.info().index == "flat" else "flat"
        gallery.build_index(kind)
        say(kind)


def _build(folder: Path, say: Say) -> None:
    with opened(folder / "gallery") as gallery:
        gallery.build_index()
        say("built")


def _compact(folder: Path, say: Say) -> None:
    with opened(folder / "gallery") as gallery:
        gallery.compact()
        say("compacted")


def _backup(folder: Path, say: Say) -> None:
    with opened(folder / "gallery") as gallery:
        gallery.backup(folder / "new.zip")
        say("backed up")


def _restore(folder: Path, say: Say) -> None:
    Gallery.restore(folder / ARCHIVE, folder / "restored")
    say("restored")


def _replace(folder: Path, say: Say) -> None:
    Gallery.restore(folder / ARCHIVE, folder / "gallery", replace=True)
    say("replaced")


# what has to be true


def sound(gallery: Gallery) -> bool:
    """Check, build if the check asks for it; returns whether a build was needed."""
    problems = gallery.check()
    if problems:
        gallery.build_index()
        left = gallery.check()
        assert not left, f"not mended by a build: {left[0]}"
    return bool(problems)


def _present(gallery: Gallery, rows: dict[int, str], vectors: Vectors) -> None:
    """Each of these templates is found first, as whose it is."""
    if not rows:
        return
    answers = gallery.search(vectors[list(rows)], 1)
    for (row, name), candidates in zip(rows.items(), answers, strict=True):
        assert candidates, f"template {row} is lost"
        assert candidates[0].identity == name, f"template {row} of {name} is answered as {candidates[0].identity}"
        assert candidates[0].similarity > _LEAST, f"template {row} has changed"


def _everybody(gallery: Gallery, without: str = "") -> None:
    _present(gallery, {row: owner(row) for row in range(TEMPLATES) if owner(row) != without}, OLD)


def _names(gallery: Gallery) -> set[str]:
    return {person.name for person in gallery.identities()}


def _nothing(word: str) -> None:
    """Nobody listens."""


def _after_enrol(gallery: Gallery, folder: Path, said: list[str]) -> None:
    _everybody(gallery)
    _present(gallery, {int(row): newcomer(int(row)) for row in said}, FRESH)
    _enrol(folder, _nothing)  # the same again: what was not confirmed is done now, and nothing twice
    _present(gallery, {row: newcomer(row) for row in range(NEW)}, FRESH)
    assert gallery.counts().templates == TEMPLATES + 1 + NEW


def _after_forget(gallery: Gallery, folder: Path, said: list[str]) -> None:
    there = FORGOTTEN in _names(gallery)
    assert not (there and said), "confirmed, and still there"
    _everybody(gallery, "" if there else FORGOTTEN)
    if there:
        gallery.forget(FORGOTTEN)
    rows = [row for row in range(TEMPLATES) if owner(row) == FORGOTTEN]
    found = {each.identity for candidates in gallery.search(OLD[rows], 5) for each in candidates}
    assert FORGOTTEN not in found
    gallery.close()  # the last one out empties the write-ahead log
    codes = (folder / CODES).read_bytes()
    traces = [
        codes[: len(codes) // 2],
        codes[len(codes) // 2 :],
        FORGOTTEN.encode(),
        *(OLD[row].tobytes() for row in rows),
    ]
    for path in (folder / "gallery").iterdir():
        content = path.read_bytes()
        assert not any(trace in content for trace in traces), f"{path.name} still knows the person forgotten"


def _after_merge(gallery: Gallery, folder: Path, said: list[str]) -> None:
    names = _names(gallery)
    assert INTO in names
    assert not (MERGED in names and said)
    assert gallery.counts().templates == TEMPLATES + 1
    assert gallery.identity(INTO)[0].templates == (2 if MERGED in names else 4)
    rows = {row: owner(row) for row in range(TEMPLATES)}
    if MERGED not in names:
        rows = {row: INTO if name == MERGED else name for row, name in rows.items()}
    _present(gallery, rows, OLD)


def _after_rename(gallery: Gallery, folder: Path, said: list[str]) -> None:
    names = _names(gallery)
    assert (MERGED in names) != ("renamed" in names)
    assert not (MERGED in names and said)
    called = MERGED if MERGED in names else "renamed"
    _present(gallery, {row: called if owner(row) == MERGED else owner(row) for row in range(TEMPLATES)}, OLD)


def _after_switch(gallery: Gallery, folder: Path, said: list[str]) -> None:
    assert not said or gallery.info().index == said[0]
    _everybody(gallery)


def _after_upkeep(gallery: Gallery, folder: Path, said: list[str]) -> None:
    _everybody(gallery)


def _after_backup(gallery: Gallery, folder: Path, said: list[str]) -> None:
    _everybody(gallery)
    archive = folder / "new.zip"
    assert archive.exists() or not said
    if archive.exists():  # whole, or not there at all
        Gallery.restore(archive, folder / "copy")
        with opened(folder / "copy") as copy:
            _everybody(copy)
            assert OTHER in _names(copy)
        archive.unlink()
    gallery.backup(archive)
    _nothing_left(folder)


def _after_restore(gallery: Gallery, folder: Path, said: list[str]) -> None:
    _everybody(gallery)
    there = (folder / "restored" / "gallery.db").exists()
    assert there or not said
    Gallery.restore(folder / ARCHIVE, folder / "restored", replace=there)
    with opened(folder / "restored") as restored:
        assert sound(restored) is False
        _everybody(restored)
    _nothing_left(folder)


def _after_replace(gallery: Gallery, folder: Path, said: list[str]) -> None:
    assert not (OTHER in _names(gallery) and said)
    _everybody(gallery)
    gallery.close()
    _replace(folder, _nothing)
    with opened(folder / "gallery") as replaced:
        assert OTHER not in _names(replaced)
    _nothing_left(folder)


def _nothing_left(folder: Path) -> None:
    """What the fault left beside the galleries is gone after the next run of the same operation."""
    left = [path.name for path in folder.iterdir() if path.name.startswith(".")]
    assert not left, f"left behind: {left[0]}"


@dataclass(frozen=True, slots=True)
class Operation:
    """Something asked of a gallery, and what has to be true after it failed or was cut off."""

    name: str
    run: Callable[[Path, Say], None]
    verify: Callable[[Gallery, Path, list[str]], None]


OPERATIONS = {
    operation.name: operation
    for operation in (
        Operation("enrol", _enrol, _after_enrol),
        Operation("forget", _forget, _after_forget),
        Operation("merge", _merge, _after_merge),
        Operation("rename", _rename, _after_rename),
        Operation("build", _build, _after_upkeep),
        Operation("switch kind", _switch, _after_switch),
        Operation("compact", _compact, _after_upkeep),
        Operation("backup", _backup, _after_backup),
        Operation("restore", _restore, _after_restore),
        Operation("restore --replace", _replace, _after_replace),
    )
}
