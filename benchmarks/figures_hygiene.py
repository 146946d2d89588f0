"""The tables of docs/research/hygiene.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.common import read_results, table

_OUTCOMES = ("enrolled", "doubtful", "blurred", "turned", "no usable face")


def _of_poor_photos() -> Any:
    return read_results("poor_photos")


def poor_photos() -> str:
    """What enrolment does with photos as they are, blurred and turned."""
    results = _of_poor_photos()
    rows = [(name, "as they are", counts) for name, counts in results["sets"].items()]
    rows += [(name, way, counts) for name, ways in results["blurred"].items() for way, counts in ways.items()]
    return table(
        ("photos of", "way", "photos", "enrolled", "of them doubtful", "too blurred", "turned", "no usable face"),
        [
            (name, way, f"{counts['photos']:,}", *(f"{counts.get(outcome, 0):,}" for outcome in _OUTCOMES))
            for name, way, counts in rows
        ],
    )


def alike() -> str:
    """How alike blurred faces are to each other, and to sharp photos of themselves."""
    rows = [(radius, f"{row['others']:.2f}", f"{row['own']:.2f}") for radius, row in _of_poor_photos()["alike"].items()]
    return table(("blur, pixels", "mean similarity of two people", "median similarity to its own sharp photo"), rows)


def poisoned() -> str:
    """Whom one blurred enrolment is taken for, with and without the bar."""
    rows = []
    for radius, qualities in _of_poor_photos()["poisoned"].items():
        off, standard = qualities["off"], qualities["standard"]
        rows.append(
            (
                radius,
                f"{off['called Poor']:,} of {off['strangers']:,}",
                f"{standard['called Poor']:,} of {standard['strangers']:,}",
                f"{standard['enrolled']} of {off['enrolled']}",
            )
        )
    return table(("blur, pixels", "given its name without the bar", "with the bar", "enrolled nevertheless"), rows)


def discard() -> str:
    """FNMR and FNIR when the worst are refused, by each measure."""
    rows = []
    for way, results in _of_quality():
        for encoder, found in results.items():
            for measure, curve in found["discard"].items():
                cells = [f"{point['fnmr']['share']:.4f}" for point in curve]
                cells += [f"{point['fnir']['share']:.4f}" for point in curve]
                rows.append((way, encoder, measure, *cells))
    refused = ("none", "5 %", "10 %", "20 %")
    heads = [f"{rate}, {share} refused" for rate in ("FNMR", "FNIR") for share in refused]
    return table(("photos", "encoder", "measure", *heads), rows)


def quality() -> str:
    """How many searches reach the threshold, by the quality of the probe."""
    rows = []
    for way, results in _of_quality():
        for encoder, found in results.items():
            for part in found["calibration"]:
                span = f"{part['from']:g} to {part['to']:g}"
                rows.append(
                    (way, encoder, span, f"{part['searches']:,}", f"{part['quality']:.2f}", f"{part['found']:.2f}")
                )
    return table(("photos", "encoder", "quality", "searches", "mean quality", "reach the threshold"), rows)


def refused() -> str:
    """What is lost and gained by not naming poor probes."""
    names = (
        ("mated", "mated probes refused"),
        ("named rightly", "of them named rightly otherwise"),
        ("named wrongly", "wrongly"),
        ("wrongly named above the bar", "mated probes named wrongly above the bar"),
        ("strangers", "strangers refused"),
        ("strangers named", "of them named otherwise"),
        ("strangers named above the bar", "strangers named above the bar"),
    )
    rows = [
        (
            way,
            encoder,
            f"{found['mated']:,}, {found['non_mated']:,}",
            *(f"{found['refused'][key]:,}" for key, _ in names),
        )
        for way, results in _of_quality()
        for encoder, found in results.items()
    ]
    return table(("photos", "encoder", "mated and other probes", *(name for _, name in names)), rows)


def _of_quality() -> Iterator[tuple[str, Any]]:
    results = read_results("quality")
    for way in ("as they are", "a third made worse"):
        yield way, {name: found for name, found in results[way].items() if isinstance(found, dict)}


def suspects() -> str:
    """How often suspects are right."""
    return table(
        (
            "encoder",
            "photos given away",
            "named",
            "of them right",
            "right among as many first ones",
            "people under two names",
            "found",
            "other pairs named",
            "ms per template",
        ),
        [
            (
                encoder,
                f"{row['given to others']:,}",
                f"{row['told']:,}",
                f"{row['of them right']:,}",
                f"{row['right among as many first ones']:,}",
                f"{row['people with two names']}",
                f"{row['of them such people']}",
                f"{row['told as one'] - row['of them such people']:,}",
                f"{row['ms per template']:.1f}",
            )
            for encoder, shares in read_results("suspects").items()
            for row in shares.values()
        ],
    )


def negatives() -> str:
    """What negatives take away and cost, at the default threshold and at lower ones."""
    trials = list(read_results("negatives")["mobilefacenet"].values())
    default = trials[0]["threshold"]
    heads = [f"{round(default - trial['threshold'], 4):g} lower" for trial in trials[1:]]
    strangers = "all strangers' photos given a name"
    rows = [
        (name, *(f"{trial[key]:,}" for trial in trials))
        for name, key in (
            ("strangers taken for somebody, by one photo", "look-alikes"),
            ("their other photos that were given the same name", "look-alikes' other photos given that name"),
            ("… with the negative", "of them with the negative"),
            ("… given another name instead", "of them given another name"),
            ("photos of the people who have negatives now, recognised", "owners' photos recognised"),
            ("… with the negatives", "of them with the negatives"),
        )
    ]
    rows.append(
        (
            f"all {trials[0][strangers][2]:,} photos of strangers: given a name, before and after",
            *(", ".join(f"{count:,}" for count in trial[strangers][:2]) for trial in trials),
        )
    )
    return table(("", f"default threshold ({default:g})", *heads), rows)
