"""LFW and UTKFace for benchmarks of quantized encoders: crops, FP32 templates, and what templates get right.

Everything is learnt on four in five of the UTKFace crops, without labels; the fifth judges what is chosen by looking.
LFW is measured: the 6,000 pairs (ten folds, threshold from the other nine) and leave-one-out top-1 over the photos of
the pairs protocol, as `benchmarks.lfw_encoders` has them. Differences are paired, on the same pairs and the same
probes, with 95 % intervals from a bootstrap over pairs and over identities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.lfw_default import Pair, best_threshold, correct, read_pairs
from benchmarks.lfw_encoders import cut, nearest_is_mate
from facesearch.encoders import Model, read_variant
from facesearch.encoders.networks.int8_network import fp32_network
from facesearch.encoders.networks.preprocess import CropNetwork
from facesearch.encoders.spec import EncoderSpec
from facesearch.encoders.torch_encoder import read_state
from facesearch.evaluation.statistics import Resamples, interval
from facesearch.quantization.lowbit.observe import embeddings

Crops = npt.NDArray[np.uint8]
Templates = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]

_BATCH = 64
_HELD_OUT = 5  # every fifth crop of UTKFace is not learnt from


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What was right. pairs (6000,), probes (m,): whether each was decided rightly; owners (m,): whose
    probes they are, numbered from 0 without gaps."""

    pairs: Flags
    probes: Flags
    owners: npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Bench:
    """The data, and what templates get right.

    learnt, held_out (n, size, size, 3) uint8: of UTKFace; crops (m, size, size, 3) uint8: of LFW, one for each of
    `paths`. cache: a folder for crops and templates.
    """

    model: Model
    network: CropNetwork
    learnt: Crops
    held_out: Crops
    crops: Crops
    paths: Sequence[Path]
    pairs: Sequence[Pair]
    cache: Path | None

    @staticmethod
    def prepare(lfw: Path, utkface: Path, model: Model, cache: Path | None) -> Bench:
        pairs = read_pairs(lfw)
        paths = sorted({path for pair in pairs for path in (pair.a, pair.b)})
        crops = _crops(paths, model.crop, cache, "lfw")
        faces = _crops(sorted(utkface.glob("*.jpg")), model.crop, cache, "utkface")
        faces = faces[faces.any(axis=(1, 2, 3))]
        kept_away = np.arange(len(faces)) % _HELD_OUT == _HELD_OUT - 1
        data = read_variant(model.variant(EncoderSpec(model.name, "fp32", "torch")))
        network = fp32_network(model.family, read_state(model.family, data, model.name), model.name)
        return Bench(model, network, faces[~kept_away], faces[kept_away], crops, paths, pairs, cache)

    @cached_property
    def original(self) -> Templates:
        """What the float network makes of the crops (m, d)."""
        kept = self.kept("fp32")
        return self.templates("fp32", self.network) if kept is None else kept

    @cached_property
    def expected(self) -> Outcome:
        """What the float network gets right."""
        return self.outcome(self.original)

    def templates(self, row: str, network: CropNetwork) -> Templates:
        """Templates (n, d) of LFW."""
        made: Templates = embeddings(network, self.crops, _BATCH).numpy()
        if (path := self._place(row)) is not None:
            np.save(path, made)
        return made

    def fp32(self) -> dict[str, object]:
        """What the float network gets right, and on how much."""
        return {
            **_rates(self.expected),
            "pairs": len(self.pairs),
            "probes": len(self.expected.probes),
            "photos": len(self.paths),
            "learnt_from": len(self.learnt),
            "bytes": 4 * self.model.parameters,
        }

    def against_fp32(self, templates: Templates) -> dict[str, object]:
        """What templates get right, and the difference to the float network's."""
        outcome = self.outcome(templates)
        return {**_rates(outcome), "against_fp32": difference(outcome, self.expected)}

    def outcome(self, templates: Templates) -> Outcome:
        position = {path: at for at, path in enumerate(self.paths)}
        similarity = np.array([float(templates[position[p.a]] @ templates[position[p.b]]) for p in self.pairs])
        mated, fold = np.array([p.mated for p in self.pairs]), np.array([p.fold for p in self.pairs])
        right = np.zeros(len(self.pairs), np.bool_)
        for each in np.unique(fold):
            threshold = best_threshold(similarity[fold != each], mated[fold != each])
            right[fold == each] = correct(similarity[fold == each], mated[fold == each], threshold)
        people = np.array([path.parent.name for path in self.paths])
        probes, hits = nearest_is_mate(templates, people.tolist())
        return Outcome(right, hits, np.unique(people[probes], return_inverse=True)[1])

    def _place(self, row: str) -> Path | None:
        return self.cache / f"{self.model.name}.{row.replace(' ', '_')}.npy" if self.cache else None

    def kept(self, row: str) -> Templates | None:
        """The templates that `templates` made for a row, if there is a cache."""
        path = self._place(row)
        return np.load(path, allow_pickle=False) if path is not None and path.exists() else None


def difference(one: Outcome, other: Outcome) -> dict[str, object]:
    """`one` less `other` on the same pairs and probes, with 95 % intervals: by pair, and by person."""
    found: dict[str, object] = {}
    for name, ours, theirs, drawn in (
        ("accuracy", one.pairs, other.pairs, np.arange(len(one.pairs))),
        ("top1", one.probes, other.probes, one.owners),
    ):
        gained = ours.astype(np.float64) - theirs
        ends = interval(Resamples.draw(int(drawn.max()) + 1).means(gained, drawn))
        found |= {name: round(float(gained.mean()), 5), f"{name}_interval": [round(end, 5) for end in ends]}
    return found


def _rates(outcome: Outcome) -> dict[str, object]:
    return {"accuracy": round(float(outcome.pairs.mean()), 5), "top1": round(float(outcome.probes.mean()), 5)}


def _crops(paths: Sequence[Path], kind: str, cache: Path | None, name: str) -> Crops:
    kept = cache / f"{name}.{kind}.npy" if cache else None
    if kept is not None and kept.exists():
        crops: Crops = np.load(kept, mmap_mode="r", allow_pickle=False)
        return crops
    crops = cut(paths, [kind])[kind]
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.save(kept, crops)
    return crops
