"""The main job from nothing: photos of people who do not exist, enrolled, searched, measured, shown.

The people are drawn by facesearch.workshop.sample_people. They differ less within a person and between people than real
ones do: the figures show how the program works, not how good an encoder is.
"""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from facesearch.encoders import DEFAULT_MODEL
from facesearch.errors import RejectedImageError, UsageError
from facesearch.evaluation.matrix import Request, evaluate
from facesearch.evaluation.results import Run, save_run
from facesearch.gallery.answers import Candidate
from facesearch.gallery.gallery import Gallery
from facesearch.photos.decoding import load_image
from facesearch.photos.photo import Photo
from facesearch.report.page import html_page
from facesearch.workshop.sample_people import draw_people, write_photos

PEOPLE = 100
_PHOTOS = 3  # enrolled per person; one more is held back as the probe
_STRANGERS = 30  # never enrolled; another 30 set the threshold
_KINDS = ("flat", "sq8", "pq16")
_MARK = ".facesearch-demo"  # the demo writes over nothing but its own folder
_SHOWN_MATES, _SHOWN_STRANGERS = 6, 2
_TILE = 160  # pixels

Step = Callable[[str], None]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class KindRow:
    """One kind of index on the demo's gallery: bytes on disk and the share of probes named rightly first."""

    kind: str
    codec: str
    database_bytes: int
    index_bytes: int
    top1: float


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What the demo saw.

    gallery: its folder, or its URL without a password. run: the evaluation of the same photos, which facesearch report
    shows; report: it as a page. found: probes of enrolled people with the right identity first. matched: of those, the
    ones at or above the threshold. unknown: strangers answered with "unknown".
    """

    folder: Path
    gallery: str
    contact_sheet: Path
    people: int
    templates: int
    images_per_second: float
    threshold: float
    probes: int
    found: int
    matched: int
    strangers: int
    unknown: int
    kinds: tuple[KindRow, ...]
    run: Run
    report: Path


@dataclass(frozen=True, slots=True, eq=False)
class _Probe:
    path: Path
    identity: str | None  # None: a stranger
    template: npt.NDArray[np.float32]


def run_demo(
    folder: Path, gallery: Path | str | None = None, *, people: int = PEOPLE, step: Step, progress: Progress
) -> DemoResult:
    """Write photos to `folder`, enrol, query, measure; `step` is told each stage, `progress` how far it is.

    gallery: folder or URL of the gallery; None: one in the folder. Raises `UsageError` if the folder holds something
    else than an earlier demo, or the gallery other people.
    """
    _prepare(folder)
    place = folder / "gallery" if gallery is None else gallery
    step(f"drawing photos of {people + 2 * _STRANGERS} people who do not exist")
    known, probes, strangers, others = _photos(folder, people)

    step(f"enrolling {len(known)} photos of {people} people")
    with Gallery.open(place) as opened:
        if {person.name for person in opened.identities()} - {photo.identity for photo in known}:
            raise UsageError("the gallery holds other people: give the demo one of its own")
        report = opened.enroll_photos(known, progress=progress)
        step("setting the threshold from people who are not enrolled")
        opened.set_threshold(_threshold(opened, _encode(opened, others)))

        step(f"asking who is on {len(probes)} other photos of them and on {len(strangers)} photos of strangers")
        asked = _encode(opened, [*probes, *strangers])
        answers = opened.search(np.stack([probe.template for probe in asked]), k=3)
        threshold = opened.threshold
        templates = opened.counts().templates
        shown = opened.parts.store.transactions.where if opened.parts.store.on_server else str(place)
    sheet = folder / "contact-sheet.png"
    _contact_sheet(asked, answers, threshold, known).save(sheet)

    step("building the same gallery with each kind of index")
    kinds = tuple(_as_kind(place, kind, [probe for probe in asked if probe.identity]) for kind in _KINDS)
    step("evaluating: every photo looks for another one of its person")
    run, page = _evaluated(folder)
    mated = [(probe, found[0]) for probe, found in zip(asked, answers, strict=True) if probe.identity and found]
    right = [best for probe, best in mated if best.identity == probe.identity]
    foreign = [found for probe, found in zip(asked, answers, strict=True) if probe.identity is None]
    return DemoResult(
        folder=folder,
        gallery=shown,
        contact_sheet=sheet,
        people=people,
        templates=templates,
        images_per_second=report.images_per_second,
        threshold=threshold,
        probes=len(probes),
        found=len(right),
        matched=sum(best.score >= threshold for best in right),
        strangers=len(strangers),
        unknown=len(strangers) - sum(found[0].score >= threshold for found in foreign if found),
        kinds=kinds,
        run=run,
        report=page,
    )


def _evaluated(folder: Path) -> tuple[Run, Path]:
    """What `facesearch evaluate people` and `facesearch report --html report.html` do."""
    command = f"facesearch evaluate {folder / 'people'} " + " ".join(f"--index {kind}" for kind in _KINDS)
    run = evaluate(Request(folder / "people", (DEFAULT_MODEL,), _KINDS, command=command))
    save_run(run)
    page = folder / "report.html"
    page.write_text(html_page([run]), encoding="utf-8")
    return run, page


def _prepare(folder: Path) -> None:
    mark = folder / _MARK
    if folder.exists() and any(folder.iterdir()):
        if not mark.exists():
            raise UsageError(f"{folder} is not empty and not a demo's: name another folder with --folder")
        for name in ("people", "probes", "strangers", "gallery"):
            shutil.rmtree(folder / name, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    mark.touch()


def _photos(folder: Path, people: int) -> tuple[list[Photo], list[Photo], list[Photo], list[Photo]]:
    """Photos to enrol, probes of the same people, strangers, and the strangers that set the threshold."""
    everyone = draw_people(people + 2 * _STRANGERS)
    known, foreign = everyone[:people], everyone[people:]
    enrolled, probes = [], []
    for path in write_photos(folder / "people", known, _PHOTOS + 1):
        photo = Photo(path.parent.name, path)
        if path.stem.endswith(f"{_PHOTOS + 1:04d}"):
            target = folder / "probes" / path.parent.name
            target.mkdir(parents=True, exist_ok=True)
            probes.append(Photo(photo.identity, path.rename(target / path.name)))
        else:
            enrolled.append(photo)
    strangers = [Photo(path.parent.name, path) for path in write_photos(folder / "strangers", foreign, 1)]
    names = {person.identity for person in foreign[:_STRANGERS]}
    return (
        enrolled,
        probes,
        [photo for photo in strangers if photo.identity in names],
        [photo for photo in strangers if photo.identity not in names],
    )


def _encode(gallery: Gallery, photos: Sequence[Photo]) -> list[_Probe]:
    """Templates of the photos; a photo without a face is left out."""
    people = {person.name for person in gallery.identities()}
    probes = []
    for photo in photos:
        try:
            template = gallery.template(photo.path)
        except RejectedImageError:
            continue
        probes.append(_Probe(photo.path, photo.identity if photo.identity in people else None, template))
    return probes


def _threshold(gallery: Gallery, others: Sequence[_Probe]) -> float:
    """Just above the best score that anybody who is not enrolled gets."""
    found = gallery.search(np.stack([probe.template for probe in others]), k=1)
    return min(1.0, math.ceil(max(best[0].score for best in found) * 1000 + 0.5) / 1000)


def _as_kind(place: Path | str, kind: str, probes: Sequence[_Probe]) -> KindRow:
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "gallery"
        if isinstance(place, Path):
            shutil.copytree(place, copy)
        else:
            Gallery.copy(place, copy)
        with Gallery.open(copy) as gallery:
            gallery.build_index(kind)
            info = gallery.info()
            found = gallery.search(np.stack([probe.template for probe in probes]), k=1)
    right = [best[0].identity == probe.identity for best, probe in zip(found, probes, strict=True)]
    return KindRow(kind, info.codec, info.database_bytes, info.index_bytes, float(np.mean(right)))


def _contact_sheet(
    asked: Sequence[_Probe], answers: Sequence[list[Candidate]], threshold: float, known: Sequence[Photo]
) -> Image.Image:
    """Rows of a probe and its three best candidates, with names and similarities; the verdict's colour around it."""
    mates = [row for row in range(len(asked)) if asked[row].identity][:: max(1, PEOPLE // _SHOWN_MATES)]
    foreign = [row for row in range(len(asked)) if asked[row].identity is None]
    rows = mates[:_SHOWN_MATES] + foreign[:_SHOWN_STRANGERS]
    portraits: dict[str, Path] = {}
    for photo in known:
        portraits.setdefault(photo.identity, photo.path)
    line, gap = 34, 8
    height, width = _TILE + line + gap, _TILE + gap
    sheet = Image.new("RGB", (gap + 4 * width, gap + len(rows) * height), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for number, row in enumerate(rows):
        y = gap + number * height
        best = answers[row][0] if answers[row] else None
        match = best is not None and best.score >= threshold
        answer = best.identity if match and best else None
        right = answer == asked[row].identity
        colour = "#1a7f37" if right else "#cf222e"
        verdict = answer or "unknown"
        tiles = [(asked[row].path, f"who is this?\n{verdict}", colour)]
        for item in answers[row]:
            shade = "#1a7f37" if item.score >= threshold else "#8c959f"
            tiles.append((portraits[item.identity], f"{item.rank}. {item.identity}\n{item.score:.3f}", shade))
        for column, (path, text, edge) in enumerate(tiles):
            x = gap + column * width
            tile = Image.fromarray(load_image(path)).resize((_TILE, _TILE), Image.Resampling.LANCZOS)
            sheet.paste(tile, (x, y))
            draw.rectangle((x, y, x + _TILE - 1, y + _TILE - 1), outline=edge, width=3)
            draw.multiline_text((x + 2, y + _TILE + 2), text, fill=edge if column == 0 else "#1f2328", font=font)
    return sheet
