"""What is in the inbox: clusters and single faces, each with the nearest person enrolled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facesearch.gallery.answers import Candidate, Document
from facesearch.gallery.parts import Parts
from facesearch.gallery.questions import ranked
from facesearch.gallery.unknown_numbers import Which, chosen
from facesearch.store import Inbox, UnknownFace

Vectors = npt.NDArray[np.float32]

_SEARCHED = 1024  # faces at a time
_COMPARED = 4096
_ROUNDED = 0.01  # by how much the cosine of stored codes may differ from a score


@dataclass(frozen=True, slots=True)
class ListedFace:
    """An unknown face and the person enrolled who is nearest; None without anybody. alike: the score reaches the
    threshold, as where the person was enrolled after the face was collected."""

    face: UnknownFace
    nearest: Candidate | None
    alike: bool

    def document(self) -> Document:
        return {**self.face.document(), "suggestion": _suggested(self.nearest, int(self.alike))}


@dataclass(frozen=True, slots=True)
class ListedCluster:
    """A cluster by its number, with its faces. nearest: the person enrolled whom one of them is most like; alike: how
    many of them are as much like that person as the threshold asks."""

    number: int
    faces: tuple[ListedFace, ...]

    @property
    def nearest(self) -> Candidate | None:
        found = [each.nearest for each in self.faces if each.nearest is not None]
        return max(found, key=lambda candidate: candidate.score, default=None)

    @property
    def alike(self) -> int:
        nearest = self.nearest
        return sum(
            each.alike
            and each.nearest is not None
            and nearest is not None
            and each.nearest.identity == nearest.identity
            for each in self.faces
        )

    def document(self) -> Document:
        return {
            "cluster": self.number,
            "size": len(self.faces),
            "suggestion": _suggested(self.nearest, self.alike),
            "faces": [each.document() for each in self.faces],
        }


@dataclass(frozen=True, slots=True)
class UnknownList:
    """Clusters, the largest first, and faces that are alone, by number."""

    clusters: tuple[ListedCluster, ...]
    alone: tuple[ListedFace, ...]

    @property
    def faces(self) -> int:
        return sum(len(cluster.faces) for cluster in self.clusters) + len(self.alone)

    def alike(self, identity: str) -> int:
        """How many of the faces look like this person."""
        faces = [face for cluster in self.clusters for face in cluster.faces]
        return sum(_is_like(face, identity) for face in [*faces, *self.alone])

    def like(self, identity: str) -> UnknownList:
        """Those of which a face looks like this person."""
        return UnknownList(
            tuple(each for each in self.clusters if any(_is_like(face, identity) for face in each.faces)),
            tuple(face for face in self.alone if _is_like(face, identity)),
        )

    def document(self) -> Document:
        return {
            "clusters": [cluster.document() for cluster in self.clusters],
            "alone": [face.document() for face in self.alone],
        }


def listed(parts: Parts, like: str | None = None) -> UnknownList:
    """The inbox as it is now; like: only what looks like this person, raises `UnknownIdentityError`."""
    if like is None:
        return _listed(parts, parts.store.unknown.inbox(), None)
    person = parts.store.identities.find(like)
    inbox = parts.store.unknown.inbox()
    return _listed(parts, inbox, _likely(parts, inbox, [person.id])).like(like)  # only these are searched for


def _likely(parts: Parts, inbox: Inbox, people: Sequence[int]) -> list[int]:
    """Rows of the faces that may look like these people, by id, and of those in clusters with them."""
    with parts.store.moment() as moment:
        theirs = moment.template_ids(people).tolist()
    likely = set(_similar_to(parts, inbox, theirs))
    clusters = {inbox.faces[row].cluster for row in likely} - {None}
    return [row for row, face in enumerate(inbox.faces) if face.cluster in clusters or row in likely]


def _similar_to(parts: Parts, inbox: Inbox, template_ids: Sequence[int]) -> list[int]:
    """Rows of the faces that may match one of these templates."""
    stored = parts.store.templates.codes(template_ids)
    if not inbox.faces or not len(stored):
        return []
    settings = parts.settings()
    templates = parts.codecs.decode(stored.codes, stored.codecs, settings.dimension)
    return similar(vectors_of(parts, inbox), templates, parts.threshold(settings) - _ROUNDED)


def _listed(parts: Parts, inbox: Inbox, rows: Sequence[int] | None) -> UnknownList:
    """These faces, by their rows, or all."""
    faces = _faces(parts, inbox, range(len(inbox.faces)) if rows is None else rows)
    clusters: dict[int, list[ListedFace]] = {}
    for each in faces:
        if each.face.cluster is not None:
            clusters.setdefault(each.face.cluster, []).append(each)
    found = [ListedCluster(number, tuple(theirs)) for number, theirs in clusters.items()]
    found.sort(key=lambda cluster: (-len(cluster.faces), cluster.number))
    return UnknownList(tuple(found), tuple(each for each in faces if each.face.cluster is None))


def found_faces(parts: Parts, which: Sequence[Which]) -> list[ListedFace]:
    """Those of some clusters, and single ones; raises `UsageError`."""
    inbox = parts.store.unknown.inbox()
    wanted = {face.id for face in chosen(inbox, which)}
    return _faces(parts, inbox, [row for row, face in enumerate(inbox.faces) if face.id in wanted])


def now_like(parts: Parts, template_ids: Sequence[int]) -> dict[str, int]:
    """How many unknown faces look like people of whom these templates are new, by name;
    most first. All of a person's faces count, as in `listed`, which shows them."""
    if not template_ids or not parts.store.unknown.count()[0]:
        return {}
    inbox = parts.store.unknown.inbox()
    owners = parts.store.templates.owners(template_ids).values()
    looking = _looking_like(_faces(parts, inbox, _similar_to(parts, inbox, template_ids)))
    people = {owner.identity: owner.identity_id for owner in owners if owner.identity in looking}
    if not people:
        return {}
    found = _looking_like(_faces(parts, inbox, _likely(parts, inbox, list(people.values()))))
    return {name: count for name, count in found.most_common() if name in people}


def _looking_like(faces: Sequence[ListedFace]) -> Counter[str]:
    return Counter(each.nearest.identity for each in faces if each.alike and each.nearest is not None)


def vectors_of(parts: Parts, inbox: Inbox) -> Vectors:
    """The templates (n, dimension) of all unknown faces."""
    held = inbox.templates
    return parts.codecs.decode(held.codes, held.codecs, parts.settings().dimension)


def similar(faces: Vectors, templates: Vectors, least: float) -> list[int]:
    """Rows of faces (n, d) that are at least so similar (cosine) to one of templates (m, d)."""
    most = np.full(len(faces), -1.0, np.float32)
    for start in range(0, len(templates), _COMPARED):
        most = np.maximum(most, (faces @ templates[start : start + _COMPARED].T).max(axis=1, initial=-1.0))
    return np.flatnonzero(most >= least).tolist()


def _faces(parts: Parts, inbox: Inbox, rows: Sequence[int]) -> list[ListedFace]:
    if not len(rows):
        return []
    vectors = vectors_of(parts, inbox)[list(rows)]
    found: list[ListedFace] = []
    for start in range(0, len(rows), _SEARCHED):
        answers = ranked(parts, vectors[start : start + _SEARCHED], 1)
        limit = parts.threshold(answers.settings)
        for row, candidates in zip(rows[start : start + _SEARCHED], answers.candidates, strict=True):
            nearest = candidates[0] if candidates else None
            found.append(ListedFace(inbox.faces[row], nearest, nearest is not None and nearest.score >= limit))
    return found


def _is_like(face: ListedFace, identity: str) -> bool:
    return face.alike and face.nearest is not None and face.nearest.identity == identity


def _suggested(nearest: Candidate | None, alike: int) -> Document | None:
    if nearest is None:
        return None
    said = {"identity": nearest.identity, "similarity": round(nearest.similarity, 4), "score": round(nearest.score, 4)}
    return {**said, "faces_alike": alike}
