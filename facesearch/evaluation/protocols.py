"""Protocols: which images are enrolled, which are searched for, and whom they are of.

- `leave-one-out`: every image is a probe, all others are the gallery (Monteiro et al. 2025).
- `gallery-probe`: the first image of each person is enrolled, the others are probes; closed set.
- `open-set`: half of the people, drawn by a fixed seed, are never enrolled, and all their images are non-mated
  searches; of the others the first image is enrolled and the rest are mated searches.
- `false-match`: every image against all of other people; nobody is searched for.
- `cross-precision`: leave-one-out with gallery and probes of different precision; `pairs`: see `pairs`.

An image without a template is a failure to enrol. As a probe it is a miss; where it should have been enrolled, all
probes of that person are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facesearch.errors import UsageError

Ints = npt.NDArray[np.int64]

PROTOCOLS = ("leave-one-out", "gallery-probe", "open-set", "pairs", "cross-precision", "false-match")


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Places in the data set: `gallery` is enrolled, `mated` and `non_mated` are searched for.

    identity: (n,) of every image of the data set, numbered in the order of names. leave_out: a probe's own image is
    left out of the gallery. ceiling: the share of mated searches that can succeed at all.
    """

    identity: Ints
    gallery: Ints
    mated: Ints
    non_mated: Ints
    leave_out: bool
    ceiling: float


def plan(protocol: str, identities: Sequence[str], *, min_images: int = 2, seed: int = 0) -> Plan:
    """The searches of a protocol over images of these identities, in the data set's order.

    min_images: people with fewer images are not searched for; they stay in the gallery.
    Raises `UsageError` where nobody is left to be searched for, or for a protocol that there is not.
    """
    if min_images < 1:
        raise UsageError(f"--min-images is {min_images}: at least 1 is needed")
    names, identity = np.unique(np.array(identities, dtype=object).astype(str), return_inverse=True)
    counts = np.bincount(identity, minlength=len(names))
    if protocol == "false-match":
        if len(names) < 2:
            raise UsageError("the data set has only one person: false-match compares people with each other")
        everyone = np.arange(len(identity))
        return Plan(identity, everyone, np.zeros(0, np.int64), everyone, True, 0.0)
    if protocol in ("leave-one-out", "cross-precision"):
        found = _leave_one_out(identity, counts, min_images)
    elif protocol == "gallery-probe":
        found = _first_enrolled(identity, counts, np.ones(len(names), np.bool_), min_images)
    elif protocol == "open-set":
        known = np.zeros(len(names), np.bool_)
        known[np.random.default_rng(seed).permutation(len(names))[: len(names) - len(names) // 2]] = True
        found = _first_enrolled(identity, counts, known, min_images)
    else:
        raise UsageError(f"no protocol is named '{protocol}'; there are: {', '.join(PROTOCOLS)}")
    if not len(found.mated):
        raise UsageError(
            f"no identity has {max(min_images, 2)} images, so that nobody can be searched for: "
            "a data set needs several images per person"
        )
    if protocol == "open-set" and not len(found.non_mated):
        raise UsageError("the data set has only one person: open-set needs people who are not enrolled")
    return found


def _leave_one_out(identity: Ints, counts: Ints, min_images: int) -> Plan:
    per_image = counts[identity]
    mated = np.flatnonzero(per_image >= min_images)
    ceiling = float((per_image[mated] > 1).mean()) if len(mated) else 0.0
    everyone = np.arange(len(identity))
    return Plan(identity, everyone, mated, np.zeros(0, np.int64), True, ceiling)


def _first_enrolled(identity: Ints, counts: Ints, known: npt.NDArray[np.bool_], min_images: int) -> Plan:
    first = np.zeros(len(identity), np.bool_)
    first[np.unique(identity, return_index=True)[1]] = True
    enrolled = np.flatnonzero(first & known[identity])
    mated = np.flatnonzero(~first & known[identity] & (counts[identity] >= min_images))
    return Plan(identity, enrolled, mated, np.flatnonzero(~known[identity]), False, 1.0)
