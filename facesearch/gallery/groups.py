"""Groups of people: those whom a search is among, and those who are never to be named."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from facesearch.errors import UsageError
from facesearch.gallery.view import Ids
from facesearch.photos.photo import composed
from facesearch.store import GalleryState, PeopleMoment, PeopleState

_KEPT = 8  # groups remembered


@dataclass(frozen=True, slots=True, init=False)
class Tagged:
    """The people who have one of these tags, to be searched among: `gallery.identify(photo, among=Tagged("staff"))`."""

    tags: tuple[str, ...]

    def __init__(self, *tags: str) -> None:
        object.__setattr__(self, "tags", tags)


Among = Tagged | str | Sequence[str]
"""Whom to search among: the people with one of some tags, or a name, or names."""

Asked = Tagged | tuple[str, ...]
"""The same, as `checked` gives it."""


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Ids of identities (p,) and of their templates (n,), both ascending and read-only."""

    identities: Ids
    templates: Ids


class Groups:
    """The groups of one gallery, looked up once for all searches until it changes. Safe to share between threads."""

    def __init__(self) -> None:
        self._known: dict[Asked | None, tuple[PeopleState, Group]] = {}
        self._changing = threading.Lock()

    def ignored(self, moment: PeopleMoment, state: GalleryState) -> Group:
        """Those who are never to be named."""
        return self._group(moment, state, None, moment.ignored)

    def among(self, moment: PeopleMoment, state: GalleryState, asked: Asked) -> Group:
        """Those who were asked for, and those who are never to be named, whose faces would otherwise be
        given to somebody of the group.

        Raises `UsageError` where none of those asked for has a template, `UnknownIdentityError`, `UnknownTagError`.
        """
        names, tags = ((), asked.tags) if isinstance(asked, Tagged) else (asked, ())

        def found() -> Ids:
            people = moment.group(names, tags)
            if not moment.template_ids(people.tolist()).size:
                raise UsageError("nobody of those to be searched among has a photo in use: facesearch identities list")
            return np.union1d(people, moment.ignored())

        return self._group(moment, state, asked, found)

    def _group(self, moment: PeopleMoment, state: GalleryState, key: Asked | None, find: Callable[[], Ids]) -> Group:
        now = state.of_people
        with self._changing:
            known = self._known.get(key)
        if known is not None and known[0] == now:
            return known[1]
        identities = find()
        templates = moment.template_ids(identities.tolist())
        for ids in (identities, templates):
            ids.setflags(write=False)
        group = Group(identities, templates)
        with self._changing:
            self._known.pop(key, None)
            self._known[key] = (now, group)
            while len(self._known) > _KEPT:
                del self._known[next(iter(self._known))]
        return group


def checked(among: object) -> Asked:
    """Whom to search among, in the form that is looked up; raises `UsageError` for what names nobody."""
    given = among.tags if isinstance(among, Tagged) else (among,) if isinstance(among, str) else among
    if not isinstance(given, Sequence) or not all(isinstance(each, str) for each in given):
        raise UsageError('among is a name, a list of names, or tags as in Tagged("staff")')
    if not given:
        raise UsageError("among names nobody: give names, or tags")
    return Tagged(*map(str, given)) if isinstance(among, Tagged) else tuple(composed(str(each)) for each in given)
