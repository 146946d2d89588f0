"""Lists of pairs: LFW's `pairs.txt` with its folds, and CSV files.

`pairs.txt` (Huang et al. 2007): a line with the number of folds and of pairs per kind and fold, then per fold lines
`<name> <i> <j>` for two photos of one person and `<name> <i> <name> <j>` for two people. A CSV file has a header; its
first two columns are images, its third says whether they show the same person, a column `fold` may number the folds.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from facesearch.errors import UsageError
from facesearch.evaluation.datasets import Dataset, Progress, hashed
from facesearch.photos.sources import PHOTO_SUFFIXES

LIST_NAME = "pairs.txt"
FOLDS = 10
_WORDS = dict.fromkeys(("yes", "true", "1", "same"), True) | dict.fromkeys(
    ("no", "false", "0", "-1", "different"), False
)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two images, by path relative to the data set's folder; whether they show one person; the fold they are in."""

    a: str
    b: str
    mated: bool
    fold: int


def read_pairs(
    folder: Path, listing: Path | None = None, *, limit: int | None = None, progress: Progress | None = None
) -> tuple[Dataset, tuple[Pair, ...]]:
    """The pairs of a list, and the images they name as a data set, whose identities are the images' folders.

    listing: default `pairs.txt` in the folder. limit: only so many pairs, taken evenly from the list.
    Raises `UsageError` where the list is missing, is of neither form, or names images that are not there.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder")
    listing = folder / LIST_NAME if listing is None else listing
    lines = _read(listing)
    pairs = _from_csv(folder, listing, lines) if listing.suffix.lower() == ".csv" else _from_lfw(folder, listing, lines)
    if limit is not None and limit < len(pairs):
        pairs = [pairs[place] for place in np.linspace(0, len(pairs) - 1, limit).round().astype(int)]
    if not any(pair.mated for pair in pairs) or all(pair.mated for pair in pairs):
        raise UsageError(f"{listing} has to name pairs of one person and pairs of two")
    paths = sorted({path for pair in pairs for path in (pair.a, pair.b)})
    labelled = [(path, Path(path).parent.name if Path(path).parent != Path() else "") for path in paths]
    return hashed(folder, "pairs", labelled, progress), tuple(pairs)


def with_folds(pairs: Sequence[Pair], folds: int = FOLDS, seed: int = 0) -> list[Pair]:
    """The pairs in folds that hold as many of either kind, drawn by `seed`."""
    generator = np.random.default_rng(seed)
    numbers = np.zeros(len(pairs), np.int64)
    for kind in (True, False):
        places = np.array([place for place, pair in enumerate(pairs) if pair.mated is kind], np.int64)
        numbers[generator.permutation(places)] = np.arange(len(places)) % folds
    return [replace(pair, fold=int(fold)) for pair, fold in zip(pairs, numbers, strict=True)]


def _read(listing: Path) -> list[str]:
    try:
        return listing.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise UsageError(
            f"{listing} cannot be read ({(error.strerror or 'error').lower()}): name a list with --pairs"
        ) from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{listing} is not a text file in UTF-8 ({error.reason})") from None


def _from_lfw(folder: Path, listing: Path, lines: Sequence[str]) -> list[Pair]:
    rows = [line.split("\t") if "\t" in line else line.split() for line in lines if line.strip()]
    if not rows or len(rows[0]) not in (1, 2) or not all(word.isdigit() for word in rows[0]):
        raise UsageError(f"{listing} does not begin with the number of folds, as LFW's pairs.txt does")
    head, body = [int(word) for word in rows[0]], rows[1:]
    folds = head[0] if len(head) == 2 else 1
    per_fold = len(body) // folds if folds else 0
    if folds < 1 or not per_fold or per_fold * folds != len(body):
        raise UsageError(f"{listing} has {len(body)} pairs, which do not go into {head[0]} folds")
    pairs, found = [], _ListedImages(folder, listing)
    for number, words in enumerate(body):
        if len(words) not in (3, 4) or not all(word.isdigit() for word in (words[1], words[-1])):
            raise UsageError(f"{listing}: '{' '.join(words)}' is no pair")
        other = words[0] if len(words) == 3 else words[2]
        a, b = found.numbered(words[0], int(words[1])), found.numbered(other, int(words[-1]))
        pairs.append(Pair(a, b, len(words) == 3, number // per_fold))
    return pairs if folds > 1 else with_folds(pairs)


def _from_csv(folder: Path, listing: Path, lines: Sequence[str]) -> list[Pair]:
    try:
        rows = [row for row in csv.reader(lines) if row]
    except csv.Error as error:
        raise UsageError(f"{listing} is not a CSV file ({error})") from None
    if len(rows) < 2 or any(len(row) < 3 for row in rows):
        raise UsageError(f"{listing} needs a header and three columns: two images, and whether it is one person")
    fold = next((place for place, name in enumerate(rows[0]) if name.strip().lower() == "fold"), None)
    pairs, found = [], _ListedImages(folder, listing)
    for row in rows[1:]:
        same = _WORDS.get(row[2].strip().lower())
        if same is None or (fold is not None and not row[fold].strip().isdigit()):
            raise UsageError(f"{listing}: '{','.join(row)}' says neither yes nor no (1, 0), or its fold is no number")
        a, b = (found.named(name.strip()) for name in row[:2])
        pairs.append(Pair(a, b, same, int(row[fold]) if fold is not None else 0))
    return pairs if fold is not None else with_folds(pairs)


class _ListedImages:
    """Images that a list names, each looked for once."""

    def __init__(self, folder: Path, listing: Path) -> None:
        self._folder, self._listing = folder, listing
        self._known: dict[str, str] = {}

    def numbered(self, person: str, number: int) -> str:
        """LFW's `<name>/<name>_<number with four digits>`, whatever kind of image it is."""
        name = f"{person}/{person}_{number:04d}"
        return self._found(name, [name + suffix for suffix in PHOTO_SUFFIXES])

    def named(self, name: str) -> str:
        return self._found(name, [name, f"images/{name}"])

    def _found(self, name: str, candidates: Sequence[str]) -> str:
        if name not in self._known:
            inside = (each for each in candidates if _is_inside(each) and (self._folder / each).is_file())
            path = next(inside, None)
            if path is None:
                raise UsageError(f"{self._listing} names {name}, which is not in {self._folder}")
            self._known[name] = path
        return self._known[name]


def _is_inside(path: str) -> bool:
    return not Path(path).is_absolute() and ".." not in Path(path).parts
