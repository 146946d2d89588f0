"""Clusters of unknown faces: their numbers stay while they grow, and what a person said of their faces."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from facesearch.errors import UsageError
from facesearch.gallery import arguments
from facesearch.store import Inbox, Regrouping, UnknownFace, UnknownPair

Which = int | str
"""A cluster by its number, as 7 or "7", or a face, as "f12"."""

_FACE = re.compile(r"[fF]([0-9]{1,18})")
_CLUSTER = re.compile(r"[0-9]{1,18}")


def regrouped(inbox: Inbox, groups: Sequence[Sequence[int]]) -> Regrouping:
    """The change that makes groups of face ids the clusters; faces in none of them are alone.

    A group has the number of the cluster of which it holds more than half; of several, that of the one from which it
    has most faces, and then the lowest. The others get new numbers, and what was a cluster's number is never another's.
    """
    before = {face.id: face.cluster for face in inbox.faces}
    sizes = Counter(cluster for cluster in before.values() if cluster is not None)
    numbered: list[tuple[int | None, tuple[int, ...]]] = []
    for faces in groups:
        held = Counter(cluster for face in faces if (cluster := before[face]) is not None)
        kept = [(-count, cluster) for cluster, count in held.items() if 2 * count > sizes[cluster]]
        numbered.append((min(kept)[1] if kept else None, tuple(faces)))
    together = {face for faces in groups for face in faces}
    return Regrouping(tuple(numbered), tuple(face for face in before if face not in together))


def chosen(inbox: Inbox, asked: Sequence[Which]) -> list[UnknownFace]:
    """The faces of clusters, and single faces, each once, by id; raises `UsageError` for what is not there."""
    if isinstance(asked, str) or not isinstance(asked, Sequence):
        raise UsageError(f"unknown faces are a list of numbers, not {arguments.shown(asked)}")
    found: dict[int, UnknownFace] = {}
    for each in asked:
        text = str(each) if isinstance(each, int | str) and not isinstance(each, bool) else ""
        if match := _FACE.fullmatch(text):
            theirs = [face for face in inbox.faces if face.id == int(match[1])]
            what = f"face {text}"
        elif _CLUSTER.fullmatch(text):
            theirs = [face for face in inbox.faces if face.cluster == int(text)]
            what = f"cluster {text}"
        else:
            shown = text or arguments.shown(each)
            raise UsageError(f"unknown faces are named as 7, a cluster, or f12, a face, not as {shown}")
        if not theirs:
            raise UsageError(f"there is no {what} in the inbox: facesearch unknown list")
        found |= {face.id: face for face in theirs}
    return [found[number] for number in sorted(found)]


def face_ids(asked: Sequence[Which]) -> list[int] | None:
    """The ids of faces, where only faces are named and no cluster; they need not be there, nor be sound."""
    matches = [_FACE.fullmatch(each) if isinstance(each, str) else None for each in asked]
    return [int(match[1]) for match in matches if match] if all(matches) else None


def joined(inbox: Inbox, faces: Sequence[UnknownFace]) -> Regrouping:
    """The change by which faces and all of their clusters are one person's from now on.

    Raises `UsageError` where two of them are in one photo.
    """
    if len(faces) < 2:
        raise UsageError("name two clusters or faces at least that are one person: facesearch unknown join 3 7")
    said = _Said(inbox.pairs)
    members = said.with_others([face.id for face in faces])
    by_id = {face.id: face for face in inbox.faces}
    photos: dict[bytes, int] = {}
    for number in members:
        other = photos.setdefault(by_id[number].sha256, number)
        if other != number:
            raise UsageError(f"faces f{other} and f{number} are in one photo: they cannot be one person")
    unsaid = [pair.id for pair in inbox.pairs if {pair.first, pair.second} <= set(members)]
    chain = tuple((one, next_, True) for one, next_ in itertools.pairwise(members))
    clusters = [face.cluster for face in faces if face.cluster is not None]
    return Regrouping(((min(clusters, default=None), tuple(members)),), said=chain, unsaid=tuple(unsaid))


def parted(inbox: Inbox, faces: Sequence[UnknownFace]) -> Regrouping:
    """The change by which faces are not the person of the other faces of their clusters, from now on."""
    leaving = {face.id for face in faces}
    clusters = {face.cluster for face in faces}
    if None in clusters:
        alone = next(face.id for face in faces if face.cluster is None)
        raise UsageError(f"face f{alone} is alone: there is nothing to part it from")
    groups: list[tuple[int | None, tuple[int, ...]]] = []
    alone_now: list[int] = []
    news: list[tuple[int, int, bool]] = []
    unsaid: list[int] = []
    said = _Said(inbox.pairs)
    for cluster in sorted(each for each in clusters if each is not None):
        members = [face.id for face in inbox.faces if face.cluster == cluster]
        staying, going = ([each for each in members if (each in leaving) is left] for left in (False, True))
        if not staying:
            raise UsageError(f"these are all faces of cluster {cluster}: name those that are somebody else's")
        news += [(one, other, False) for one in going for other in staying]
        touched = {pair.id for pair in inbox.pairs if {pair.first, pair.second} <= set(members)}
        for some in (staying, going):  # those of whom was said that they are together stay so, on either side
            held = said.components(some)
            news += [(a, b, True) for each in held for a, b in itertools.pairwise(each)]
        apart = [pair for pair in inbox.pairs if pair.id in touched and not pair.together]
        known = {frozenset(pair[:2]) for pair in news}
        news += [(p.first, p.second, False) for p in apart if frozenset((p.first, p.second)) not in known]
        unsaid += sorted(touched)
        groups.append((cluster, tuple(staying)))
        groups.append((None, tuple(going)))
    alone_now += [faces[0] for _, faces in groups if len(faces) == 1]
    kept = tuple((number, faces) for number, faces in groups if len(faces) > 1)
    return Regrouping(kept, tuple(alone_now), tuple(news), tuple(unsaid))


def bridged(inbox: Inbox, leaving: Sequence[int]) -> Regrouping | None:
    """What keeps those together who were said to be, once these faces between them are gone; None: it needs nothing."""
    said, gone = _Said(inbox.pairs), set(leaving)
    news: list[tuple[int, int, bool]] = []
    for each in said.components([face.id for face in inbox.faces]):
        staying = [face for face in each if face not in gone]
        if len(staying) < len(each):
            news += [(one, other, True) for one, other in itertools.pairwise(staying)]
    return Regrouping((), said=tuple(news)) if news else None


@dataclass(frozen=True, slots=True)
class _Said:
    """Of which faces a person said that they are together."""

    pairs: tuple[UnknownPair, ...]

    def components(self, faces: Sequence[int]) -> list[list[int]]:
        """Those of these faces that are together, also by way of others, two or more each, by id."""
        root = self._roots()
        found: dict[int, list[int]] = {}
        for face in sorted(faces):
            found.setdefault(root.get(face, face), []).append(face)
        return [each for each in found.values() if len(each) > 1]

    def with_others(self, faces: Sequence[int]) -> list[int]:
        """These faces and all that are together with one of them, by id."""
        root = self._roots()
        wanted = {root.get(face, face) for face in faces}
        return sorted(set(faces) | {face for face, its in root.items() if its in wanted})

    def _roots(self) -> dict[int, int]:
        root: dict[int, int] = {}

        def find(face: int) -> int:
            while root.setdefault(face, face) != face:
                root[face] = root[root[face]]
                face = root[face]
            return face

        for pair in self.pairs:
            if pair.together:
                root[find(pair.first)] = find(pair.second)
        return {face: find(face) for face in root}


def rows_of(inbox: Inbox) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """What was said, together and apart, as pairs of rows of the inbox."""
    place: Mapping[int, int] = {face.id: row for row, face in enumerate(inbox.faces)}
    together, apart = (
        [(place[pair.first], place[pair.second]) for pair in inbox.pairs if pair.together is alike]
        for alike in (True, False)
    )
    return together, apart
