"""Clips of video: who is in them, and enrolling somebody from one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from facesearch.errors import NoFaceError, RejectedImageError, SeveralFacesError
from facesearch.faces import Chosen, FaceChoice, chosen_face
from facesearch.gallery import arguments, changes
from facesearch.gallery.answers import ClipAnswer, TrackAnswer, named_once
from facesearch.gallery.enrolment_report import EnrolmentReport
from facesearch.gallery.groups import Among, checked
from facesearch.gallery.known_photos import known_photos
from facesearch.gallery.parts import Parts
from facesearch.gallery.poor_pairs import poor_pairs
from facesearch.gallery.questions import ranked
from facesearch.photos.photo import Photo, Rejection, composed
from facesearch.photos.video import FRAMES_PER_SECOND, check_rate, frames, video_hash
from facesearch.pipeline.tracks import Clip, Sight, Track, tracks_of
from facesearch.text.figures import counted

Progress = Callable[[int], None]  # frames done

_MOST_ENROLLED = 50
_RIVAL = 0.25  # a track this prominent, relative to the most prominent one, may be of another person who is meant
_APART = 0.5  # seconds between frames that are enrolled
_DIFFERING = 0.98  # cosine from which on a frame tells nothing that another one does not


@dataclass(frozen=True, slots=True)
class ClipOptions:
    """How a clip is asked about.

    threshold, score: in place of the gallery's. everyone: every track, or the most prominent one. face: another one, by
    its number, 1 being the most prominent, or by a point in it. per_second: frames looked at per second. among: see
    `QuestionOptions`.
    """

    threshold: float | None = None
    score: str | None = None
    everyone: bool = True
    face: Chosen = None
    per_second: float = FRAMES_PER_SECOND
    fused: bool = False
    among: Among | None = None


def identify_video(parts: Parts, path: Path, k: int, asked: ClipOptions, progress: Progress) -> ClipAnswer:
    """See `Gallery.identify_video`."""
    k, choice = arguments.count(k, "k"), chosen_face(asked.face)
    score = None if asked.score is None else arguments.score(asked.score)
    threshold = None if asked.threshold is None else arguments.threshold(asked.threshold)
    among = None if asked.among is None else checked(asked.among)
    check_rate(asked.per_second)
    parts.settings()
    clip = _clip(parts, path, asked.per_second, progress)
    numbered = list(enumerate(clip.tracks, start=1))
    if choice is not None:
        place = _place(clip.tracks, choice)
        numbered = [numbered[place]]
    elif not asked.everyone:
        numbered = numbered[:1]
    templates = np.stack([track.template for _, track in numbered])
    found = ranked(parts, templates, k, fused=asked.fused, score=score, among=among)
    limit = parts.threshold_of(found.settings, score) if threshold is None else threshold
    poor = poor_pairs(parts, [track.best.quality for _, track in numbered], found.candidates, limit)
    answers = [
        TrackAnswer(
            box=track.best.box,
            threshold=limit,
            candidates=() if ignored >= limit else tuple(each),
            ignored=ignored >= limit,
            number=number,
            found=len(clip.tracks),
            quality=track.best.quality,
            reasons=track.best.reasons,
            poor=track.best.poor or too_poor,
            start=track.start,
            end=track.end,
            best=track.best.time,
            boxes=tuple((sight.time, sight.box) for sight in track.sights),
            as_of=found.as_of,
        )
        for (number, track), each, ignored, too_poor in zip(
            numbered, found.candidates, found.ignored, poor, strict=True
        )
    ]
    return ClipAnswer(tuple(named_once(answers, _share_a_frame)), len(clip.tracks), clip.frames, clip.seconds)


def _share_a_frame(one: TrackAnswer, other: TrackAnswer) -> bool:
    return not {time for time, _ in one.boxes}.isdisjoint(time for time, _ in other.boxes)


def enroll_video(
    parts: Parts,
    identity: str,
    path: Path,
    *,
    most: int,
    face: Chosen,
    again: bool,
    per_second: float,
    progress: Progress,
) -> EnrolmentReport:
    """See `Gallery.enroll_video`."""
    name, choice = composed(identity), chosen_face(face)
    most = min(arguments.count(most, "frames"), _MOST_ENROLLED)
    check_rate(per_second)
    try:
        content = video_hash(path)
        there = _known(parts, name, path, content, again=again)
        if there:
            return _enroll(parts, there, again=again)
        clip = _clip(parts, path, per_second, progress)
        chosen = _chosen(parts, clip, choice, most)
        photos = _photos(name, path, content, chosen, per_second)
    except RejectedImageError as error:
        return EnrolmentReport(rejected=[Rejection(str(path), str(error))])
    report = _enroll(parts, photos, again=again)
    report.times[str(path)] = tuple(sight.time for sight in chosen)
    return report


def _enroll(parts: Parts, photos: Sequence[Photo], *, again: bool) -> EnrolmentReport:
    return changes.enroll_photos(
        parts,
        photos,
        aligned=None,
        progress=None,
        committed=None,
        workers=None,
        cluster=None,
        folders=None,
        again=again,
    )


def _known(parts: Parts, name: str, path: Path, content: bytes, *, again: bool) -> list[Photo]:
    """What stands for the frames of a clip that is known already, enrolled, set aside or of somebody forgotten."""
    stubs = [Photo(name, path, sha256=_hash(content, place)) for place in range(_MOST_ENROLLED)]
    hashes = [stub.hash() for stub in stubs]
    known = known_photos(parts.store, stubs, hashes, again=again, in_folders=False)
    return [] if known[0] is None else [stub for stub, each in zip(stubs, known, strict=True) if each is not None]


def _clip(parts: Parts, path: Path, per_second: float, progress: Progress) -> Clip:
    """The tracks of a clip, at least one; raises `RejectedImageError`."""
    with closing(frames(path, per_second)) as some:
        clip = tracks_of(parts.pipeline(), some, progress)
    if not clip.tracks:
        raise NoFaceError(f"no face found in {counted(clip.frames, 'frame')}")
    return clip


def _place(tracks: Sequence[Track], choice: FaceChoice) -> int:
    """The place of the track that is meant; raises `NoFaceError`."""
    return choice.among([[sight.box for sight in track.sights] for track in tracks])


def _chosen(parts: Parts, clip: Clip, choice: FaceChoice | None, most: int) -> list[Sight]:
    """The sights to enrol: of the track that was chosen, or of the one person that the clip shows."""
    if choice is not None:
        tracks = [clip.tracks[_place(clip.tracks, choice)]]
    else:
        limit = parts.threshold(parts.store.settings.read())
        least = _RIVAL * clip.tracks[0].prominence
        tracks, others = [clip.tracks[0]], []
        for number, track in enumerate(clip.tracks[1:], start=2):
            together = any(one.number == other.number for one in track.sights for other in clip.tracks[0].sights)
            if not together and float(track.template @ clip.tracks[0].template) >= limit:
                tracks.append(track)  # the same person again, after a cut
            elif track.prominence >= least:
                others.append((number, track))
        if others:
            where = ", ".join(
                f"face {number} at {track.start:.1f}–{track.end:.1f} s" for number, track in [(1, tracks[0]), *others]
            )
            raise SeveralFacesError(f"it shows several people ({where}): choose one (--face)")
    return best_differing([sight for track in tracks for sight in track.sights], most)


def best_differing(sights: Sequence[Sight], most: int) -> list[Sight]:
    """The sights that tell most, none of them like another, in order of time."""
    chosen: list[Sight] = []
    for sight in sorted(sights, key=lambda one: -one.worth):
        near = any(
            abs(sight.time - other.time) < _APART or float(sight.template @ other.template) > _DIFFERING
            for other in chosen
        )
        if not near:
            chosen.append(sight)
        if len(chosen) == most:
            break
    return sorted(chosen, key=lambda one: one.time)


def _photos(name: str, path: Path, content: bytes, chosen: Sequence[Sight], per_second: float) -> list[Photo]:
    """The frames of these sights, read again, as photos whose face is chosen."""
    wanted = {sight.number: sight for sight in chosen}
    photos: list[Photo] = []
    with closing(frames(path, per_second)) as some:
        for number, frame in enumerate(some):
            if number in wanted:
                left, top, width, height = wanted[number].box
                photo = Photo(name, path.absolute(), frame.pixels, sha256=_hash(content, len(photos)))
                photos.append(replace(photo, face=(left + width / 2, top + height / 2)))
            if len(photos) == len(wanted):
                break
    return photos


def _hash(content: bytes, place: int) -> bytes:
    """What the frames of a clip are known by: the first by the content of the clip, the others by what follows."""
    return content if place == 0 else hashlib.sha256(content + f" frame {place}".encode()).digest()
