"""The history of a gallery, written by the one who changes it, and what an answer has to be at each moment of it.

A change is in force from some instant between the moment when it was asked for and the moment when that returned.
So a question that began at s and was answered at e may be answered from any state that can have been in force
between s and e, and has to agree with one of them as a whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.sharing.people import DIMENSION, photo
from indexes import parse_kind

_EXACT = 1e-5
_ROUGH = 0.1  # of cosine, once templates have been rounded: twice, to four bits per component
Photo = tuple[int, int]  # person, number


@dataclass(frozen=True, slots=True)
class Change:
    """action: enroll, rename, merge, forget, build. names: whom it is about, or the kind. start, end: nanoseconds."""

    action: str
    names: tuple[str, ...]
    photos: tuple[Photo, ...]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Question:
    """A probe, and what was answered: (name, similarity, template id), best first. start, end: nanoseconds."""

    probe: Photo
    k: int
    answer: tuple[tuple[str, float, int], ...]
    start: int
    end: int


@dataclass(slots=True)
class People:
    """Who is in the gallery, at one moment of its history."""

    owners: dict[Photo, str] = field(default_factory=dict)
    rounded: bool = False  # whether templates have been stored in fewer bits
    everyone: bool = True  # whether the index looks at every template, as it is stored

    def after(self, change: Change) -> People:
        """The people once a change is in force."""
        owners = dict(self.owners)
        match change.action:
            case "enroll":
                owners |= dict.fromkeys(change.photos, change.names[0])
            case "rename" | "merge":
                *sources, target = change.names
                owners = {each: target if name in sources else name for each, name in owners.items()}
            case "forget":
                owners = {each: name for each, name in owners.items() if name not in change.names}
        if change.action == "build":
            (kind,) = change.names
            return People(owners, self.rounded or kind != "flat", parse_kind(kind).exhaustive)
        return People(owners, self.rounded, self.everyone)


class Scored:
    """A moment's people as arrays, to score probes with."""

    def __init__(self, people: People) -> None:
        self._tolerance = _ROUGH if people.rounded else _EXACT
        self._everyone = people.everyone
        self._owners = people.owners
        self._names, self._who = np.unique(list(people.owners.values()), return_inverse=True)
        self._order = np.argsort(self._who, kind="stable")
        self._starts = np.searchsorted(self._who[self._order], np.arange(len(self._names)))
        self._vectors = (
            np.stack([photo(*each) for each in people.owners])
            if people.owners
            else np.zeros((0, DIMENSION), np.float32)
        )

    def disagreement(self, question: Question) -> str | None:
        """Why an answer cannot come from this moment, in words; None where it can."""
        scores = self._vectors @ photo(*question.probe)  # (templates,)
        best = np.maximum.reduceat(scores[self._order], self._starts) if len(self._names) else scores  # (names,)
        named = {str(name): number for number, name in enumerate(self._names)}
        answer = question.answer
        if len(answer) != min(question.k, len(named)):
            return f"{len(answer)} candidates, not {min(question.k, len(named))}"
        if len({name for name, _, _ in answer}) != len(answer):
            return "a name stands twice"
        for name, similarity, _ in answer:
            if name not in named:
                return f"{name} is not in the gallery"
            theirs = best[named[name]] if self._everyone else scores[self._who == named[name]]
            if np.abs(similarity - theirs).min() > self._tolerance:
                return f"{name} has {best[named[name]]:.5f}, not {similarity:.5f}"
        if not self._everyone:
            return None
        owner = self._owners.get(question.probe)
        if owner is not None and answer[0][0] != owner:
            return f"the probe is enrolled as {owner}, not {answer[0][0]}"
        nearest = np.sort(best)[::-1][: len(answer)]
        if answer and nearest[-1] - answer[-1][1] > 2 * self._tolerance and self._tolerance == _EXACT:
            return f"{answer[-1][0]} is not among the nearest"
        return None


def wrong_answers(changes: Sequence[Change], questions: Sequence[Question]) -> list[str]:
    """What is wrong with each answer that agrees with no moment that it may come from, in words."""
    wrong = []
    moments: list[Scored | None] = []
    people = [People()]
    for change in changes:
        people.append(people[-1].after(change))
    moments = [None] * len(people)
    starts = np.array([0, *(change.start for change in changes)])  # moment j is in force from changes[j - 1] on
    ends = np.array([*(change.end for change in changes), np.iinfo(np.int64).max])  # until changes[j] has returned
    kept = 0
    for question in sorted(questions, key=lambda each: each.start):
        first, last = int(np.searchsorted(ends, question.start)), int(np.searchsorted(starts, question.end, "right"))
        for passed in range(kept, first):
            moments[passed] = None
        kept = max(kept, first)
        reasons = []
        for number in range(last - 1, first - 1, -1):
            moment = moments[number] = moments[number] or Scored(people[number])
            reason = moment.disagreement(question)
            if reason is None:
                break
            reasons.append(reason)
        else:
            wrong.append(f"photo {question.probe}, k = {question.k}: {'; or '.join(dict.fromkeys(reasons))}")
    return wrong


def read(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a history or of a log of questions."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def read_changes(path: Path) -> list[Change]:
    """What a writer did, in its order."""
    return [
        Change(line["action"], tuple(line["names"]), tuple(map(_photo, line["photos"])), line["start"], line["end"])
        for line in read(path)
    ]


def read_questions(path: Path) -> list[Question]:
    """What somebody asked, in its order."""
    return [
        Question(
            _photo(line["probe"]),
            line["k"],
            tuple(map(tuple, line["answer"])),
            line["start"],
            line["end"],
        )
        for line in read(path)
    ]


def _photo(pair: Sequence[int]) -> Photo:
    person, number = pair
    return person, number
