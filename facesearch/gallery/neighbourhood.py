"""What templates of a gallery are judged by: their people, and the people nearest to them, as of one moment."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np

from facesearch.gallery.likeness import OTHERS, Doubles, Ids, Neighbourhood, Scale, Vectors
from facesearch.gallery.one_moment import at_a_moment
from facesearch.gallery.parts import Parts
from facesearch.gallery.view import Searchable
from facesearch.store import GalleryState, Moment, Owner

Progress = Callable[[int, int], None]  # (templates done, templates in all)

NEIGHBOURS = 32  # templates looked at for each
_BATCH = 512  # searched for at once
_MOST_OF_ONE = 16  # templates of a person that are searched for where only some are asked for
_MOST_LOADED = 512  # of a person, then
_WHOLE = 8  # from an eighth of the gallery on, reading the whole takes less time
_SAMPLE, _MOST_IN_SAMPLE = 128, 512  # templates whose people tell what is usual in a gallery, and templates of these
_AS_IF = 10  # pairs of one person that what is usual for the encoder counts as
_DRAWS = 20_000
_STEPS = 7  # that what is usual is told anew, while a gallery grows to twice its size


@dataclass(frozen=True, slots=True, eq=False)
class Surroundings:
    """A neighbourhood and what its rows are: ids (n,) of templates, ascending; identity_ids (p,) of its people."""

    hood: Neighbourhood
    ids: Ids
    identity_ids: Ids
    scale: Scale


@dataclass(frozen=True, slots=True, eq=False)
class _Loaded:
    """Templates (n, d) with ids (n,), ascending, and whose they are, (n,)."""

    ids: Ids
    owners: Ids
    templates: Vectors

    def rows(self, ids: Ids) -> Ids:
        """Where these are, of any shape; −1 for those that are not there."""
        if not len(self.ids):
            return np.full(ids.shape, -1, np.int64)
        rows = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        return np.where(self.ids[rows] == ids, rows, -1)

    def joined(self, other: _Loaded) -> _Loaded:
        ids, first = np.unique(np.concatenate([self.ids, other.ids]), return_index=True)
        owners = np.concatenate([self.owners, other.owners])[first]
        return _Loaded(ids, owners, np.concatenate([self.templates, other.templates])[first])


def surroundings(parts: Parts, asked: Collection[int] | None, progress: Progress | None = None) -> Surroundings | None:
    """Of the people of these templates, None: of all; None where none of them is there.

    progress: called with (templates searched for, in all).
    """
    # All of a large gallery are searched for in index files: a server would take very long.
    look, reopen = (parts.index.at, parts.open_files) if asked is None else (parts.searchable, parts.open_index)
    with at_a_moment(parts.store, look, reopen) as found:
        if found is None:
            return None
        moment, state, view = found
        scale = _usual(parts, moment, state)
        people = None if asked is None else sorted({owner.identity_id for owner in moment.owners(list(asked)).values()})
        own = None if people is None else moment.template_ids(people)
        if own is not None and (_WHOLE * len(own) < len(view) or not parts.by_files):
            loaded = _of_people(parts, moment, state, own, set(asked or ()), _MOST_LOADED)
            judged = _few_of_each(loaded, set(asked or ()))
            near, similarities = _nearest(view, loaded.templates[judged], loaded.ids[judged], progress)
            loaded, judged = _with_others(parts, moment, state, loaded, judged, near)
            return _made(loaded, judged, near, similarities, scale)
        loaded = _whole(parts, moment, state)
    judged = np.arange(len(loaded.ids)) if people is None else np.flatnonzero(np.isin(loaded.owners, people))
    # the moment is left: what is deleted meanwhile can be wiped
    near, similarities = _nearest(view, loaded.templates[judged], loaded.ids[judged], progress)
    return _made(loaded, judged, near, similarities, scale)


def scale_among(templates: Vectors, people: Ids, usual: Scale | None = None) -> Scale:
    """What similarities of templates (n, d) of these people (n,) mean, mixed with what is usual for the encoder."""
    order = np.argsort(people, kind="stable")
    beside = people[order][1:] == people[order][:-1]
    same = np.vecdot(templates[order[1:]], templates[order[:-1]])[beside].astype(np.float64)
    rng = np.random.default_rng(0)
    one, other = rng.integers(0, max(len(people), 1), (2, _DRAWS if len(people) else 0))
    apart = people[one] != people[other]
    different = np.vecdot(templates[one[apart]], templates[other[apart]]).astype(np.float64)
    if usual is None:
        return Scale(float(different.mean()), float(np.median(same)))
    pairs = min(len(different), len(np.unique(people)) * (len(np.unique(people)) - 1) // 2)
    low = _mixed(float(different.mean()) if pairs else 0.0, pairs, usual.different)
    return Scale(low, _mixed(float(np.median(same)) if len(same) else 0.0, len(same), usual.same))


def _mixed(seen: float, times: int, usual: float) -> float:
    return (times * seen + _AS_IF * usual) / (times + _AS_IF)


def _usual(parts: Parts, moment: Moment, state: GalleryState) -> Scale:
    """The scale of a gallery, by a sample of its people; it stays until the gallery has grown by a tenth, or lost
    somebody."""
    last = _rounded(state.position.last_template_id)
    key = (last, state.position.last_removal_id, state.settings)
    if (known := parts.scales.get(key)) is None:
        parts.scales.clear()
        known = parts.scales[key] = _sampled(parts, moment, state, last)
    return known


def _rounded(number: int) -> int:
    """The largest of the numbers, each a tenth above the one before, that is not above it; small ones as they are."""
    if number <= _SAMPLE:
        return number
    return math.floor(2 ** (math.floor(_STEPS * math.log2(number)) / _STEPS))


def _sampled(parts: Parts, moment: Moment, state: GalleryState, last: int) -> Scale:
    places = np.unique(np.linspace(1, max(last, 1), _SAMPLE).astype(np.int64))
    people = sorted({owner.identity_id for owner in moment.owners(places.tolist()).values()})
    ids = moment.template_ids(people)
    if len(ids) > _MOST_IN_SAMPLE:
        ids = ids[np.linspace(0, len(ids) - 1, _MOST_IN_SAMPLE).astype(np.int64)]
    loaded = _read(parts, moment, state, ids)
    return scale_among(loaded.templates, loaded.owners, parts.usual_similarities(state.settings))


def _whole(parts: Parts, moment: Moment, state: GalleryState) -> _Loaded:
    owned = moment.template_owners()
    templates = np.zeros((len(owned.ids), state.settings.dimension), np.float32)
    done = 0
    for batch in moment.templates():
        templates[done : done + len(batch)] = parts.codecs.decode(batch.codes, batch.codecs, state.settings.dimension)
        done += len(batch)
    return _Loaded(owned.ids, owned.identity_ids, templates)


def _read(
    parts: Parts, moment: Moment, state: GalleryState, ids: Ids, known: dict[int, Owner] | None = None
) -> _Loaded:
    """Those of these templates that have not been taken out meanwhile; known: whose they are."""
    stored = parts.store.templates.codes(ids.tolist())
    owners = moment.owners(stored.ids.tolist()) if known is None else known
    whose = np.array([owners[number].identity_id for number in stored.ids.tolist()], np.int64)
    return _Loaded(stored.ids, whose, parts.codecs.decode(stored.codes, stored.codecs, state.settings.dimension))


def _of_people(parts: Parts, moment: Moment, state: GalleryState, ids: Ids, asked: set[int], most: int) -> _Loaded:
    """Templates of some people, given all their ids: of each person no more than `most`, but those asked for."""
    owners = moment.owners(ids.tolist())
    whose = np.array([owners[number].identity_id for number in ids.tolist()], np.int64)
    return _read(parts, moment, state, ids[_spread(ids, whose, asked, most)], owners)


def _few_of_each(loaded: _Loaded, asked: set[int]) -> Ids:
    """The rows to be judged: those asked for, and others of their people."""
    return _spread(loaded.ids, loaded.owners, asked, _MOST_OF_ONE)


def _spread(ids: Ids, owners: Ids, asked: set[int], most: int) -> Ids:
    """Places of up to `most` templates of each person, evenly, and of all those asked for; ascending."""
    order = np.argsort(owners, kind="stable")
    chosen = [np.flatnonzero(np.isin(ids, list(asked)))]
    for own in np.split(order, np.flatnonzero(np.diff(owners[order])) + 1):
        chosen.append(own[np.linspace(0, len(own) - 1, min(len(own), most)).astype(np.int64)])
    return np.unique(np.concatenate(chosen))


def _nearest(view: Searchable, probes: Vectors, own: Ids, progress: Progress | None) -> tuple[Ids, Doubles]:
    """Ids of the nearest templates but its own of each of probes (m, d), and their similarities; −1 for none."""
    ids = np.full((len(probes), NEIGHBOURS), -1, np.int64)
    similarities = np.full((len(probes), NEIGHBOURS), -1.0)
    count = min(NEIGHBOURS + 1, len(view))
    for start in range(0, len(probes), _BATCH):
        rows = slice(start, start + _BATCH)
        scores, found = view.search(probes[rows], count)
        mine = found == own[rows, None]
        mine[~mine.any(axis=1), -1] = True  # it is among so many equal ones: the last of them is left out in its place
        ids[rows, : count - 1] = found[~mine].reshape(len(found), count - 1)
        similarities[rows, : count - 1] = scores[~mine].reshape(len(found), count - 1)
        if progress:
            progress(min(start + _BATCH, len(probes)), len(probes))
    return ids, similarities


def _with_others(
    parts: Parts, moment: Moment, state: GalleryState, loaded: _Loaded, judged: Ids, near: Ids
) -> tuple[_Loaded, Ids]:
    """With the templates of the nearest `OTHERS` other people of each template judged."""
    owners = moment.owners(np.unique(near[near >= 0]).tolist())
    others: set[int] = set()
    for own, row in zip(loaded.owners[judged].tolist(), near.tolist(), strict=True):
        people = dict.fromkeys(owners[number].identity_id for number in row if number in owners)
        people.pop(own, None)
        others.update(list(people)[:OTHERS])
    missing = sorted(others - set(loaded.owners.tolist()))
    if not missing:
        return loaded, judged
    near_ids = set(near[near >= 0].tolist())
    ids = moment.template_ids(missing)
    more = _of_people(parts, moment, state, ids, near_ids & set(ids.tolist()), _MOST_LOADED)
    joined = loaded.joined(more)
    return joined, joined.rows(loaded.ids[judged])


def _made(loaded: _Loaded, judged: Ids, near: Ids, similarities: Doubles, scale: Scale) -> Surroundings | None:
    if not len(judged):
        return None
    identity_ids, people = np.unique(loaded.owners, return_inverse=True)
    hood = Neighbourhood(loaded.templates, people.astype(np.int64), judged, loaded.rows(near), similarities)
    return Surroundings(hood, loaded.ids, identity_ids, scale)
