"""How many false matches a negative takes away, and how many true ones it costs: people of LFW.

    python -m benchmarks.negatives LFW_FOLDER [--encoder MODEL] …

Of the people with four photos or more, one half is enrolled with two photos each; the others are strangers.
Each stranger whose third photo is given a name at the default threshold is a look-alike: that photo is added as a
negative of the person named. Then are asked:

- look-alikes: their other photos, which were given that name, with the negative and without;
- owners: photos, not enrolled, of the people who have negatives now, and that were given their names;
- everybody: all photos of all people that are neither enrolled nor negatives.

Measured at the default threshold, and at ones so much lower, where false matches are common. Nothing was tuned on LFW.
Writes benchmarks/results/negatives.json.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.common import alternating, measured
from benchmarks.dataset_templates import Floats, found_templates
from facesearch import Gallery
from facesearch.encoders import EncoderSpec
from facesearch.evaluation.datasets import read_dataset
from facesearch.gallery.codec_in_use import CodecInUse
from facesearch.store import NewTemplate

ENROLLED, LEAST = 2, 4
LOWER = (0.0, 0.05, 0.1)
SEED = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("lfw", type=Path)
    parser.add_argument("--encoder", action="append", dest="encoders")
    asked = parser.parse_args()
    dataset, results = read_dataset(asked.lfw), {}
    for name in asked.encoders or ["mobilefacenet"]:
        vectors, names = found_templates(dataset, EncoderSpec.parse(name))
        results[name] = {f"threshold − {lower}": _trial(name, vectors, names, lower) for lower in LOWER}
        print(name, results[name])
    words = "".join(f" --encoder {name}" for name in asked.encoders or ())
    measured("negatives", results, f"python -m benchmarks.negatives LFW_FOLDER{words}")


def _trial(encoder: str, vectors: Floats, names: npt.NDArray[np.str_], lower: float) -> dict[str, Any]:
    generator = np.random.default_rng(SEED)
    people, counts = np.unique(names, return_counts=True)
    people = generator.permutation(people[counts >= LEAST])
    rows = {name: generator.permutation(np.flatnonzero(names == name)) for name in people.tolist()}
    known, strangers = people[::2].tolist(), people[1::2].tolist()
    enrolled = [row for name in known for row in rows[name][:ENROLLED].tolist()]
    first = [rows[name][ENROLLED] for name in strangers]
    owned = [row for name in known for row in rows[name][ENROLLED:].tolist()]
    others = [row for name in strangers for row in np.delete(rows[name], ENROLLED).tolist()]
    with tempfile.TemporaryDirectory() as folder, Gallery.open(Path(folder) / "g", encoder=encoder) as gallery:
        gallery.enroll_templates(names[enrolled].tolist(), vectors[enrolled], sources=[str(row) for row in enrolled])
        limit = gallery.threshold - lower

        def named(asked: Sequence[int]) -> list[str | None]:
            found = gallery.search(vectors[list(asked)], 1)
            return [each[0].identity if each and each[0].score >= limit else None for each in found]

        taken_for = dict(zip(strangers, named(first), strict=True))
        before = {"owned": named(owned), "others": named(others)}
        without = alternating({"ms": lambda: gallery.search(vectors[owned[:1]], 5)}, 200)["ms"]
        has_negative = set()
        for stranger, person in taken_for.items():
            if person is not None:
                _add(gallery, person, vectors[rows[stranger][ENROLLED]][None], stranger)
                has_negative.add(person)
        after = {"owned": named(owned), "others": named(others)}
        with_them = alternating({"ms": lambda: gallery.search(vectors[owned[:1]], 5)}, 200)["ms"]
    theirs = names[owned].tolist()
    again = [
        (old, new)
        for row, old, new in zip(others, before["others"], after["others"], strict=True)
        if old is not None and old == taken_for[str(names[row])]
    ]
    right = [
        (old == who, new == who, who) for who, old, new in zip(theirs, before["owned"], after["owned"], strict=True)
    ]
    return {
        "threshold": round(limit, 4),
        "people enrolled": len(known),
        "strangers": len(strangers),
        "look-alikes": sum(person is not None for person in taken_for.values()),
        "people with negatives": len(has_negative),
        "look-alikes' other photos given that name": len(again),
        "of them with the negative": sum(old == new for old, new in again),
        "of them given another name": sum(new is not None and old != new for old, new in again),
        "owners' photos recognised": sum(old for old, _, who in right if who in has_negative),
        "of them with the negatives": sum(new for old, new, who in right if old and who in has_negative),
        "all true photos recognised": [sum(old for old, _, _ in right), sum(new for _, new, _ in right), len(right)],
        "all strangers' photos given a name": [
            sum(each is not None for each in before["others"]),
            sum(each is not None for each in after["others"]),
            len(others),
        ],
        "ms per search": {"before": round(without, 3), "after": round(with_them, 3)},
    }


def _add(gallery: Gallery, person: str, vector: Floats, stranger: str) -> None:
    parts = gallery.parts

    def keep(codes: list[bytes], codec: str) -> object:
        content = stranger.encode().ljust(32, b"\0")[:32]
        row = NewTemplate(person, content, stranger, 250, 250, codes[0], 1.0, None)
        return parts.store.negatives.add(person, [row], parts.encoder_key(), codec)

    CodecInUse(parts.store, parts.codecs, parts.settings().codec).coded(vector, keep)


if __name__ == "__main__":
    main()
