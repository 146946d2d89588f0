"""Questions to a gallery: each search is answered from one moment of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
import numpy.typing as npt

from facesearch.errors import RejectedImageError
from facesearch.faces import Chosen, chosen_face
from facesearch.gallery import arguments
from facesearch.gallery.answers import Candidate, FaceAnswer, PhotoAnswers, named_once
from facesearch.gallery.parts import Parts
from facesearch.gallery.scoring import COSINE, DEPTH, Rule
from facesearch.photos.given import Probe
from facesearch.pipeline.pipeline import FaceTemplate, Image, Stopwatch, templates_of
from facesearch.store import GallerySettings
from indexes.threads import threads as search_threads

Vectors = npt.NDArray[np.float32]
Progress = Callable[[int, int], None]  # (photos done, photos in all)


def search(
    parts: Parts, templates: npt.ArrayLike, k: int, *, fused: bool, score: str | None = None
) -> list[list[Candidate]]:
    """See `Gallery.search`."""
    probes, k = arguments.probes(templates), arguments.count(k, "k")
    score = None if score is None else arguments.score(score)
    return ranked(parts, probes, k, fused=fused, score=score)[1] if len(probes) else []


def ranked(
    parts: Parts, probes: Vectors, k: int, *, fused: bool = False, score: str | None = None
) -> tuple[GallerySettings, list[list[Candidate]]]:
    """Up to k candidates for each of probes (m, dimension) float32, with the settings of the same moment."""
    found = _found(parts, probes, k, fused=fused, score=score)
    scored = found.rule.scored(found.people, found.others, probes)
    return found.settings, [candidates[:k] for candidates in scored]


def penalties(parts: Parts, probes: Vectors, score: str | None) -> tuple[float, npt.NDArray[np.float64]]:
    """What is taken off the similarity of each of probes (m, dimension) of people who may be enrolled or not, and the
    threshold of the same moment."""
    settings = parts.store.settings.read()
    if settings is None:
        return parts.threshold(None), Rule.asked(parts.encoder_spec.model, score).by_cohorts(probes)
    if (score or settings.score) == COSINE:
        return parts.threshold_of(settings, score), np.zeros(len(probes))
    found = _found(parts, probes, DEPTH, score=score)
    taken = found.rule.penalties(found.people, found.others, probes)
    return parts.threshold_of(found.settings, score), taken


@dataclass(frozen=True, slots=True)
class _Found:
    """The nearest people to each probe, as of one moment; others: how many templates there are but one."""

    settings: GallerySettings
    rule: Rule
    people: list[list[Candidate]]
    others: int


def _found(parts: Parts, probes: Vectors, k: int, *, fused: bool = False, score: str | None) -> _Found:
    with search_threads(parts.opening.threads):
        while True:
            with parts.store.moment() as moment:
                state = moment.state()
                if state is None:
                    raise parts.empty()
                rule = parts.rule(state.settings, state.cohort, score)
                if fused:
                    people, count = parts.fused.nearest(moment, state, probes, rule.depth(k))
                    return _Found(state.settings, rule, people, count - 1)
                view = parts.index.at(moment, state)
                if view is not None:
                    people = parts.ranking.nearest(moment, view, probes, k, rule.depth(k) - k)
                    return _Found(state.settings, rule, people, len(view) - 1)
            parts.index.open()


class QuestionOptions(TypedDict, total=False):
    """How photos are asked about.

    threshold: score from which on it is a match, in place of the gallery's. score: cosine or normalised, in place of
    the gallery's; its own threshold then gives way to the encoder's. everyone: all faces (the default), or the most
    prominent one. face: one of the faces instead, by its number, 1 being the largest, or a point (x, y) in it.
    aligned: the photos are crops of this kind already; nothing is detected. colour: the order of channels of arrays,
    "rgb" or "bgr". fused: compare with one fused template per person instead of all templates. watch: takes the
    milliseconds of each step.
    """

    threshold: float | None
    score: str | None
    everyone: bool
    face: Chosen
    aligned: str | None
    colour: str
    fused: bool
    watch: Stopwatch | None


def identify_photos(
    parts: Parts, images: Sequence[Image], k: int, progress: Progress | None, asked: QuestionOptions
) -> list[PhotoAnswers | RejectedImageError]:
    """See `Gallery.identify_photos`."""
    k = arguments.count(k, "k")
    everyone, aligned, watch = asked.get("everyone", True), asked.get("aligned"), asked.get("watch")
    face, colour = chosen_face(asked.get("face")), asked.get("colour", "rgb")
    settings, threshold, score = parts.settings(), asked.get("threshold"), asked.get("score")
    if threshold is not None:
        threshold = arguments.threshold(threshold)
    if score is not None:
        score = arguments.score(score)
    found: list[list[FaceTemplate] | RejectedImageError] = []
    photos: list[Probe | None] = []
    for done, image in enumerate(images, start=1):
        photos.append(None)
        try:
            photos[-1] = photo = Probe.of(image, colour)
            found.append(
                templates_of(
                    parts.pipeline(),
                    photo.image,
                    everyone=everyone,
                    face=face,
                    aligned=aligned,
                    colour=colour,
                    watch=watch,
                )
            )
        except RejectedImageError as error:
            found.append(error)
        if progress:
            progress(done, len(images))
    probes = [face.template for faces in found if not isinstance(faces, RejectedImageError) for face in faces]
    start = time.perf_counter()
    candidates: list[list[Candidate]] = []
    if probes:
        settings, candidates = ranked(parts, np.stack(probes), k, fused=asked.get("fused", False), score=score)
    if watch:
        watch.add("search", start)
    limit, each = parts.threshold_of(settings, score) if threshold is None else threshold, iter(candidates)
    return [
        faces
        if isinstance(faces, RejectedImageError)
        else named_once(
            [FaceAnswer(face.box, limit, tuple(next(each)), face.number, face.found, photo=photo) for face in faces]
        )
        for faces, photo in zip(found, photos, strict=True)
    ]
