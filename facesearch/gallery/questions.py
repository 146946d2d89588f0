"""Questions to a gallery: each search is answered from one moment of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypedDict

import numpy as np
import numpy.typing as npt

from facesearch.errors import RejectedImageError
from facesearch.gallery import arguments
from facesearch.gallery.answers import Candidate, FaceAnswer
from facesearch.gallery.parts import Parts
from facesearch.pipeline.pipeline import FaceTemplate, Image, Stopwatch, templates_of
from facesearch.store import GallerySettings
from indexes.threads import threads as search_threads

Progress = Callable[[int, int], None]  # (photos done, photos in all)


def search(parts: Parts, templates: npt.ArrayLike, k: int, *, fused: bool) -> list[list[Candidate]]:
    """See `Gallery.search`."""
    probes, k = arguments.probes(templates), arguments.count(k, "k")
    return ranked(parts, probes, k, fused=fused)[1] if len(probes) else []


def ranked(
    parts: Parts, probes: npt.NDArray[np.float32], k: int, *, fused: bool
) -> tuple[GallerySettings, list[list[Candidate]]]:
    """Up to k candidates for each of probes (m, dimension) float32, with the settings of the same moment."""
    with search_threads(parts.opening.threads):
        while True:
            with parts.store.moment() as moment:
                state = moment.state()
                if state is None:
                    raise parts.empty()
                if fused:
                    return state.settings, parts.fused.nearest(moment, state, probes, k)
                view = parts.index.at(moment, state)
                if view is not None:
                    return state.settings, parts.ranking.nearest(moment, view, probes, k)
            parts.index.open()


class QuestionOptions(TypedDict, total=False):
    """How photos are asked about.

    threshold: similarity from which on it is a match, in place of the gallery's. everyone: all faces (the default), or
    the most prominent one. aligned: the photos are crops of this kind already; nothing is detected. fused: compare with
    one fused template per person instead of all templates. watch: takes the milliseconds of each step.
    """

    threshold: float | None
    everyone: bool
    aligned: str | None
    fused: bool
    watch: Stopwatch | None


def identify_photos(
    parts: Parts, images: Sequence[Image], k: int, progress: Progress | None, asked: QuestionOptions
) -> list[list[FaceAnswer] | RejectedImageError]:
    """See `Gallery.identify_photos`."""
    k = arguments.count(k, "k")
    everyone, aligned, watch = asked.get("everyone", True), asked.get("aligned"), asked.get("watch")
    settings, threshold = parts.settings(), asked.get("threshold")
    if threshold is not None:
        threshold = arguments.threshold(threshold)
    found: list[list[FaceTemplate] | RejectedImageError] = []
    for done, image in enumerate(images, start=1):
        try:
            found.append(templates_of(parts.pipeline(), image, everyone=everyone, aligned=aligned, watch=watch))
        except RejectedImageError as error:
            found.append(error)
        if progress:
            progress(done, len(images))
    probes = [face.template for faces in found if not isinstance(faces, RejectedImageError) for face in faces]
    start = time.perf_counter()
    candidates: list[list[Candidate]] = []
    if probes:
        settings, candidates = ranked(parts, np.stack(probes), k, fused=asked.get("fused", False))
    if watch:
        watch.add("search", start)
    limit, each = parts.threshold(settings) if threshold is None else threshold, iter(candidates)
    return [
        faces
        if isinstance(faces, RejectedImageError)
        else [FaceAnswer(face.box, limit, tuple(next(each))) for face in faces]
        for faces in found
    ]
