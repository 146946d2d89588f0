"""Questions to a gallery: each search is answered from one moment of it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypedDict

import numpy as np
import numpy.typing as npt

from facesearch.errors import RejectedImageError
from facesearch.faces import Chosen, chosen_face
from facesearch.gallery import arguments
from facesearch.gallery.answers import Candidate, FaceAnswer, PhotoAnswers, named_once
from facesearch.gallery.groups import Among, Asked, checked
from facesearch.gallery.left_out import without
from facesearch.gallery.nearest import AllTemplates, FusedPeople, Nearest
from facesearch.gallery.one_moment import at_a_moment
from facesearch.gallery.parts import Parts
from facesearch.gallery.poor_pairs import poor_pairs
from facesearch.gallery.replica import QuestionMoment, ReplicaMoment
from facesearch.gallery.scoring import COSINE, DEPTH, Rule
from facesearch.photos.given import Probe
from facesearch.pipeline.pipeline import FaceTemplate, Image, Stopwatch, templates_of
from facesearch.store import AsOf, GallerySettings, GalleryState
from indexes.threads import threads as search_threads

Vectors = npt.NDArray[np.float32]
Progress = Callable[[int, int], None]  # (photos done, photos in all)


def search(
    parts: Parts,
    templates: npt.ArrayLike,
    k: int,
    *,
    fused: bool,
    score: str | None = None,
    among: Among | None = None,
    everybody: bool = False,
) -> list[list[Candidate]]:
    """See `Gallery.search`. everybody: also those who are to be ignored."""
    probes, k = arguments.probes(templates), arguments.count(k, "k")
    score = None if score is None else arguments.score(score)
    among = None if among is None else checked(among)
    if not len(probes):
        return []
    return ranked(parts, probes, k, fused=fused, score=score, among=among, everybody=everybody).candidates


@dataclass(frozen=True, slots=True)
class Ranked:
    """Up to k candidates for each probe, with the settings of the same moment.

    ignored: of each probe, the score of somebody who is to be ignored and whom it is most like; else −inf. as_of: how
    old that is; None where it is the latest.
    """

    settings: GallerySettings
    candidates: list[list[Candidate]]
    ignored: list[float]
    as_of: AsOf | None = None


def ranked(
    parts: Parts,
    probes: Vectors,
    k: int,
    *,
    fused: bool = False,
    score: str | None = None,
    among: Asked | None = None,
    everybody: bool = False,
) -> Ranked:
    """Who each of probes (m, dimension) float32 is, among the people asked for or all."""
    found = _found(parts, probes, k, fused=fused, score=score, among=among, everybody=everybody)
    rule, others, whole = found.rule, found.others, found.whole
    scored = [candidates[:k] for candidates in rule.scored(found.people, others, probes, whole)]
    hidden = rule.scored([[each] if each else [] for each in found.hidden], others, probes, whole)
    ignored = [each[0].score if each else -math.inf for each in hidden]
    return Ranked(found.settings, scored, ignored, found.as_of)


class Penalties(NamedTuple):
    """What is taken off similarities (m,), the threshold of the same moment, and how old that is; None: the latest."""

    threshold: float
    taken: npt.NDArray[np.float64]
    as_of: AsOf | None = None


def penalties(parts: Parts, probes: Vectors, score: str | None) -> Penalties:
    """What is taken off the similarity of each of probes (m, dimension) of people who may be enrolled or not."""
    settings = parts.source.settings()
    if settings is None:
        return Penalties(parts.threshold(None), Rule.asked(parts.encoder_spec.model, score).by_cohorts(probes))
    if (score or settings.score) == COSINE:
        return Penalties(parts.threshold_of(settings, score), np.zeros(len(probes)))
    found = _found(parts, probes, DEPTH, score=score, everybody=True)
    taken = found.rule.penalties(found.whole, found.others, probes)
    return Penalties(parts.threshold_of(found.settings, score), taken, found.as_of)


@dataclass(frozen=True, slots=True)
class _Found:
    """The nearest people to each probe, as of one moment; others: how many templates there are but one.

    whole: the nearest, also those who are left out of `people`. hidden: who is nearest, where that person is to be
    ignored.
    """

    settings: GallerySettings
    rule: Rule
    people: list[list[Candidate]]
    others: int
    whole: list[list[Candidate]]
    hidden: list[Candidate | None]
    as_of: AsOf | None


def _found(
    parts: Parts,
    probes: Vectors,
    k: int,
    *,
    fused: bool = False,
    score: str | None,
    among: Asked | None = None,
    everybody: bool = False,
) -> _Found:
    def nearest_at(moment: QuestionMoment, state: GalleryState) -> tuple[Rule, Nearest] | None:
        rule = parts.rule(state.settings, state.cohort, score)
        group = None if among is None else parts.groups.among(moment, state, among)
        more = rule.depth(k) - k
        if fused and not isinstance(moment, ReplicaMoment):
            return rule, FusedPeople(parts.fused, moment, state, group, k, more)
        view = parts.searchable(moment, state)
        return None if view is None else (rule, AllTemplates(parts.ranking, moment, view, group, k, more))

    def question() -> _Found:
        source = parts.store if fused else parts.source  # templates are fused as they are stored now
        with search_threads(parts.opening.threads), at_a_moment(source, nearest_at, parts.open_index) as found:
            if found is None:
                raise parts.empty()
            moment, state, (rule, nearest) = found
            ignored = None if everybody else parts.groups.ignored(moment, state)
            refused = parts.negatives.at(moment, state)
            whole = nearest(probes)
            people, hidden = without(whole, probes, k, moment, ignored=ignored, refused=refused, nearest=nearest)
            return _Found(state.settings, rule, people, nearest.size - 1, whole, hidden, moment.as_of)

    return parts.source.ask(question)


class QuestionOptions(TypedDict, total=False):
    """How photos are asked about.

    threshold: score from which on it is a match, in place of the gallery's. score: cosine or normalised, in place of
    the gallery's; its own threshold then gives way to the encoder's. everyone: all faces (the default), or the most
    prominent one. face: one of the faces instead, by its number, 1 being the largest, or a point (x, y) in it.
    aligned: the photos are crops of this kind already; nothing is detected. colour: the order of channels of arrays,
    "rgb" or "bgr". fused: compare with one fused template per person instead of all templates. among: only the people
    of these names, or with these tags as in `Tagged("staff")`; the answer is that of a gallery of them alone. watch:
    takes the milliseconds of each step.
    """

    threshold: float | None
    score: str | None
    everyone: bool
    face: Chosen
    aligned: str | None
    colour: str
    fused: bool
    among: Among | None
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
    among = asked.get("among")
    among = None if among is None else checked(among)
    if not images:
        return []
    pipeline = parts.pipeline()
    found: list[list[FaceTemplate] | RejectedImageError] = []
    photos: list[Probe | None] = []
    for done, image in enumerate(images, start=1):
        photos.append(None)
        try:
            photos[-1] = photo = Probe.of(image, colour)
            found.append(
                templates_of(
                    pipeline,
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
    asked_about = [face for faces in found if not isinstance(faces, RejectedImageError) for face in faces]
    probes = [face.template for face in asked_about]
    start = time.perf_counter()
    answers = Ranked(settings, [], [])
    if probes:
        answers = ranked(parts, np.stack(probes), k, fused=asked.get("fused", False), score=score, among=among)
    if watch:
        watch.add("search", start)
    limit = parts.threshold_of(answers.settings, score) if threshold is None else threshold
    poor = poor_pairs(parts, [face.quality for face in asked_about], answers.candidates, limit)
    each = zip(answers.candidates, answers.ignored, poor, strict=True)
    return [
        faces
        if isinstance(faces, RejectedImageError)
        else PhotoAnswers(
            named_once([answer_of(face, limit, *next(each), photo=photo, as_of=answers.as_of) for face in faces])
        )
        for faces, photo in zip(found, photos, strict=True)
    ]


def answer_of(
    face: FaceTemplate,
    threshold: float,
    candidates: list[Candidate],
    ignored: float,
    poor: bool = False,
    *,
    photo: Probe | None,
    as_of: AsOf | None = None,
) -> FaceAnswer:
    """What is said of a face with these candidates, and this score of somebody who is to be ignored. poor: too much
    for what it is most like."""
    hidden = ignored >= threshold
    named = () if hidden else tuple(candidates)
    return FaceAnswer(
        face.box,
        threshold,
        named,
        face.number,
        face.found,
        ignored=hidden,
        photo=photo,
        quality=face.quality,
        reasons=face.reasons,
        poor=face.poor or poor,
        as_of=as_of,
    )
