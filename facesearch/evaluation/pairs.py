"""Lists of pairs: LFW's `pairs.txt` with its folds, and CSV files.

`pairs.txt` (Huang et al. 2007): a line with the number of folds and of pairs per kind and fold, then per fold lines
`<name> <i> <j>` for two photos of one person and `<name> <i> <name> <j>` for two people. A CSV file has a header; its
first two columns are images, its third says whether they show the same person, a column `fold` may number the folds.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from facesearch.errors import UsageError
from facesearch.evaluation.datasets import Dataset, Progress, hashed
from facesearch.photos.file_kinds import PHOTO_SUFFIXES
from facesearch.photos.lists import read_lines, read_table
from facesearch.text.figures import counted

LIST_NAME = "pairs.txt"
FOLDS = 10
_NUMBER = re.compile(r"[0-9]{1,9}")
_LONGEST_SHOWN = 60
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
    pairs = (_from_csv if listing.suffix.lower() == ".csv" else _from_lfw)(folder, listing)
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


def _from_lfw(folder: Path, listing: Path) -> list[Pair]:
    lines = [(number, _words(line)) for number, line in enumerate(_lines(listing), start=1) if line.strip()]
    head = [_number(word) for word in lines[0][1]] if lines else []
    if len(head) not in (1, 2) or None in head:
        raise UsageError(f"{listing} does not begin with the number of folds, as LFW's pairs.txt does")
    first, body = head[0] or 0, lines[1:]
    folds = first if len(head) == 2 else 1
    per_fold = len(body) // folds if folds else 0
    if folds < 1 or not per_fold or per_fold * folds != len(body):
        raise UsageError(f"{listing} has {counted(len(body), 'pair')}, which do not go into {counted(first, 'fold')}")
    pairs, found = [], _ListedImages(folder, listing)
    for place, (line, words) in enumerate(body):
        numbers = [_number(word) for word in words[1::2]] if len(words) == 4 else [_number(word) for word in words[1:]]
        if len(numbers) != 2 or numbers[0] is None or numbers[1] is None:
            raise UsageError(
                f"{listing} line {line}: '{_short(' '.join(words))}' is no pair, as '<name> 1 2' or '<name> 1 <name> 2'"
            )
        other = words[0] if len(words) == 3 else words[2]
        a, b = found.numbered(line, words[0], numbers[0]), found.numbered(line, other, numbers[1])
        pairs.append(Pair(a, b, len(words) == 3, place // per_fold))
    return pairs if folds > 1 else with_folds(pairs)


def _words(line: str) -> list[str]:
    return [word.strip() for word in line.split("\t")] if "\t" in line else line.split()


def _number(word: str) -> int | None:
    """A number of photos or folds, in the digits 0 to 9; None for what is none, or is larger than any could be."""
    return int(word) if _NUMBER.fullmatch(word) else None


def _lines(listing: Path) -> list[str]:
    return read_lines(listing, ": name a list with --pairs")


def _from_csv(folder: Path, listing: Path) -> list[Pair]:
    table = read_table(listing, ": name a list with --pairs")
    titles = next(table, (0, []))[1]
    if len(titles) < 3:
        raise UsageError(f"{listing} needs a header and three columns: two images, and whether it is one person")
    fold = next((place for place, name in enumerate(titles) if name.strip().lower() == "fold"), None)
    least = 3 if fold is None else max(3, fold + 1)
    pairs, found = [], _ListedImages(folder, listing)
    for line, row in table:
        if len(row) < least:
            raise UsageError(f"{listing} line {line} has {counted(len(row), 'column')}, {least} are needed")
        same = _WORDS.get(row[2].strip().lower())
        if same is None:
            raise UsageError(f"{listing} line {line}: '{_short(row[2])}' says neither yes nor no (1, 0)")
        number = 0 if fold is None else _number(row[fold].strip())
        if number is None:
            raise UsageError(f"{listing} line {line}: the fold is a number, not '{_short(row[fold or 0])}'")
        a, b = (found.named(line, name.strip()) for name in row[:2])
        pairs.append(Pair(a, b, same, number))
    if not pairs:
        raise UsageError(f"{listing} holds a header and no pairs")
    return pairs if fold is not None else with_folds(pairs)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


class _ListedImages:
    """Images that a list names, each looked for once."""

    def __init__(self, folder: Path, listing: Path) -> None:
        self._folder, self._listing = folder, listing
        self._known: dict[str, str] = {}

    def numbered(self, line: int, person: str, number: int) -> str:
        """LFW's `<name>/<name>_<number with four digits>`, whatever kind of image it is."""
        name = f"{person}/{person}_{number:04d}"
        return self._found(line, name, [name + suffix for suffix in PHOTO_SUFFIXES])

    def named(self, line: int, name: str) -> str:
        return self._found(line, name, [name, f"images/{name}"])

    def _found(self, line: int, name: str, candidates: Sequence[str]) -> str:
        if name not in self._known:
            path = next((each for each in candidates if _is_inside(each) and self._is_there(each)), None)
            if path is None:
                raise UsageError(f"{self._listing} line {line} names {_short(name)}, which is not in {self._folder}")
            self._known[name] = path
        return self._known[name]

    def _is_there(self, path: str) -> bool:
        try:
            return (self._folder / path).is_file()
        except (OSError, ValueError):  # longer than a name can be, or otherwise none
            return False


def _is_inside(path: str) -> bool:
    return not Path(path).is_absolute() and ".." not in Path(path).parts
