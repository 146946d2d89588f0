"""Does an imported model tell people apart? A check for gross mistakes: input range, crop, untrained weights.

Models give high similarity to two crops of one person and low similarity to crops of two. How far the two lie apart is
measured in standard deviations (the sensitivity index d' of signal detection). Synthetic people are easy: on those of
`facesearch.workshop.sample_people`, trained encoders reach 5 to 10, a wrong input range or untrained weights give 1 to
2, and comparing pixels 1.8. A wrong crop costs a third to a half, exchanged colours less still: neither is seen here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Embed = Callable[[Pixels], npt.NDArray[np.float32]]

Alternative = tuple[str, Embed, "LabelledCrops"]

ENOUGH = 3.0  # standard deviations; more than pixels alone give, less than any trained encoder


@dataclass(frozen=True, slots=True, eq=False)
class LabelledCrops:
    """Crops of a few people, each several times. crops (n, h, w, 3) uint8 RGB; people (n,) who is on each."""

    crops: Pixels
    people: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Separation:
    """Mean similarity of crops of one person and of two, and how far these lie apart in standard deviations."""

    same: float
    different: float
    deviations: float


@dataclass(frozen=True, slots=True)
class SelfTest:
    """What the self-test saw. warning: what is likely to be wrong, None where nothing is."""

    separation: Separation
    warning: str | None

    @property
    def passed(self) -> bool:
        return self.separation.deviations >= ENOUGH


def separation(embeddings: npt.NDArray[np.float32], people: npt.NDArray[np.int64]) -> Separation:
    """How well embeddings (n, d) tell people (n,) apart; at least two people, and two crops of at least one."""
    unit = embeddings / np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), 1e-12)
    pairs = np.triu_indices(len(unit), 1)
    similarity = (unit @ unit.T)[pairs]
    is_same = (people[:, None] == people)[pairs]
    same, different = similarity[is_same], similarity[~is_same]
    spread = max(float(np.sqrt((same.var() + different.var()) / 2)), 1e-6)
    return Separation(float(same.mean()), float(different.mean()), float(same.mean() - different.mean()) / spread)


def self_test(embed: Embed, sample: LabelledCrops, alternatives: Iterable[Alternative] = ()) -> SelfTest:
    """Run a model on a sample; where it fails, see whether one of the alternatives does better.

    An alternative is (what would be different, the model used so, its sample).
    """
    seen = separation(embed(sample.crops), sample.people)
    if seen.deviations >= ENOUGH:
        return SelfTest(seen, None)
    best, best_label = ENOUGH, ""
    for label, other, crops in alternatives:
        value = separation(other(crops.crops), crops.people).deviations
        if value > best:
            best, best_label = value, label
    badly = (
        f"tells synthetic people apart badly ({seen.deviations:.1f} deviations, {ENOUGH:.0f} are the least expected)"
    )
    if best_label:
        return SelfTest(seen, f"{badly}; with {best_label} it is {best:.1f}: import it so, with --force")
    return SelfTest(
        seen, f"{badly}, and no other input that was tried helps: are these trained weights of a face encoder?"
    )
