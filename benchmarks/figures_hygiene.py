"""The tables of docs/research/hygiene.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.common import read_results, table
from benchmarks.suspects_cost import BATCHES

_REFUSALS = {
    "as they are": ("refused", "not named"),
    "blurred": ("refused", "not named"),
    "dark": ("faceless", "refused", "not named"),
}
_OUTCOMES = ("enrolled", "doubtful", "blurred", "too poor", "turned", "no usable face")


def _of_poor_photos() -> Any:
    return read_results("poor_photos")


def poor_photos() -> str:
    """What enrolment does with photos as they are, blurred and turned."""
    results = _of_poor_photos()
    rows = [(name, "as they are", counts) for name, counts in results["sets"].items()]
    rows += [(name, way, counts) for name, ways in results["blurred"].items() for way, counts in ways.items()]
    return table(
        (
            "photos of",
            "way",
            "photos",
            "enrolled",
            "of them doubtful",
            "too blurred",
            "else too poor",
            "turned",
            "no usable face",
        ),
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
    """Whom one poor enrolment is taken for, with and without the bar."""
    rows = []
    for encoder, ways in _of_poor_photos()["poisoned"].items():
        for way, qualities in ways.items():
            off, standard = qualities["off"], qualities["standard"]
            rows.append(
                (
                    encoder,
                    way,
                    f"{off['called Poor']:,} of {off['strangers']:,}",
                    f"{standard['called Poor']:,} of {standard['strangers']:,}",
                    str(standard["most of a draw"]),
                    f"{standard['enrolled']} of {off['enrolled']}",
                )
            )
    headers = (
        "encoder",
        "photographed with",
        "given its name without the bar",
        "with it",
        "at most, of 50",
        "enrolled",
    )
    return table(headers, rows)


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
    for way in ("as they are", "a third made worse in five ways", "a third made worse in nine ways"):
        yield way, {name: found for name, found in results[way].items() if isinstance(found, dict)}


def suspects() -> str:
    """How often photos that were given away are among the first suspects."""
    return table(
        (
            "encoder",
            "given away",
            "photos",
            "right among the first half as many",
            "as many",
            "half as many again",
            "as many, without those named of LFW as it is",
            "named at all",
            "of them right",
        ),
        [
            (
                encoder,
                row["given"],
                f"{row['given to others']:,}",
                *(_of(rank) for rank in row["by rank"].values()),
                _of(row["by rank, without those told of LFW as it is"]),
                f"{row['told']:,}",
                f"{row['of them right']:,}",
            )
            for encoder, found in read_results("suspects").items()
            for row in found["trials"]
        ],
    )


def _of(rank: dict[str, int]) -> str:
    return f"{rank['right']:,} of {rank['first']:,} ({rank['right'] / rank['first']:.1%})"


def two_names() -> str:
    """How many of the people under two names are found."""
    return table(
        (
            "encoder",
            "photos given away",
            "people",
            "found from 0.5 on",
            "other pairs",
            "found from 0.2 on",
            "other pairs",
            "of them named of LFW as it is",
        ),
        [
            (
                encoder,
                f"{row['given to others']:,} {row['given']}",
                f"{row['people with two names']}",
                f"{row['found from 0.5 on']}",
                f"{row['other pairs from 0.5 on']}",
                f"{row['found']}",
                f"{row['other pairs']}",
                f"{row['of them told of LFW as it is']}",
            )
            for encoder, found in read_results("suspects").items()
            for row in found["trials"]
        ],
    )


def two_names_by_length() -> str:
    """How many of the people under two names are among the first pairs, the most certain first."""
    trials = [
        (encoder, row, row["found among the first"])
        for encoder, found in read_results("suspects").items()
        for row in found["trials"]
        if row["found among the first"]
    ]
    lengths = list(trials[0][2])
    return table(
        ("encoder", "photos given away", *(f"first {length}" for length in lengths)),
        [
            (encoder, f"{row['given to others']:,} {row['given']}", *(str(found[length]) for length in lengths))
            for encoder, row, found in trials
        ],
    )


def two_people() -> str:
    """How many pairs of people under one name are found, and how many others are named."""
    heads = ("found from 0.5 on", "found from 0.2 on", "told by single photos instead")
    return table(
        ("encoder", "merged", "names", *heads, "other people", "named from 0.5 on", "named from 0.2 on"),
        [
            (
                encoder,
                row["merged"],
                str(row["names"]),
                str(row["found"]["0.5"]),
                str(row["found"]["0.2"]),
                str(row["told by single photos instead"]),
                str(row["other people"]),
                str(row["others"]["0.5"]),
                str(row["others"]["0.2"]),
            )
            for encoder, trials in read_results("suspects_two_people").items()
            for row in trials
        ],
    )


def two_people_confidence() -> str:
    """How often findings of each confidence are right among people drawn anew."""
    found = read_results("two_people_weights")["right by confidence"]
    ends = (*list(found)[1:], "1")
    return table(
        ("confidence", "findings", "right", "share that is right, where one of fifty is two people"),
        [
            (f"{low} to {high}", f"{row['findings']:,}", f"{row['right']:,}", f"{row['share']:.1%}")
            for (low, row), high in zip(found.items(), ends, strict=True)
        ],
    )


def confidence() -> str:
    """How often suspects of each confidence are right: among people drawn anew, and on LFW."""
    drawn, rows = read_results("suspect_weights"), []
    lows = ("0.2", "0.5", "0.8", "0.95", "0.99")
    for low, high in zip(lows, (*lows[1:], "1"), strict=True):
        cells = [_share(*drawn[kind]["right by confidence"][low].values()) for kind in ("wrong", "stray", "one")]
        for found in read_results("suspects").values():
            trials = [row["by confidence"][low] for row in found["trials"]]
            cells.append(_share(sum(row[0] for row in trials), sum(row[1] for row in trials)))
        rows.append((f"{low} to {high}", *cells))
    encoders = [f"photos of LFW, {encoder}" for encoder in read_results("suspects")]
    heads = ("drawn: photos of somebody else", "drawn: of nobody", "drawn: two names", *encoders)
    return table(("confidence", *heads), rows)


def _share(count: int, right: int, *_: float) -> str:
    return f"{right:,} of {count:,}" + (f" ({right / count:.0%})" if count else "")


def suspects_cost() -> str:
    """What looking for suspects costs."""
    return table(
        (
            *("templates", "seconds for all", "processor seconds", "MiB", "ms for one new template"),
            *(f"for each of {size}" for size in BATCHES),
        ),
        [
            (
                f"{row['templates']:,}",
                f"{row['seconds']:,.1f}",
                f"{row['processor seconds']:,.1f}",
                f"{row['MiB']:,}",
                f"{row['ms for one new template']:.1f}",
                *(f"{row[name]:.1f}" if (name := f"ms for each of {size}") in row else "" for size in BATCHES),
            )
            for row in read_results("suspects_cost")
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


def refusals() -> str:
    """Whose photos enrolment refuses as too poor, and whose faces are not named."""
    ways = read_results("refusals")["ways"]
    rows = []
    for place, group in enumerate(ways["as they are"]):
        for counts, which in ((group, ""), (group.get("adults"), "adults: ")):
            if counts is None:
                continue
            cells = [f"{which}{group['label']} {group['value']}".strip(), f"{counts['photos']:,}"]
            for way, found in ways.items():
                same = found[place]["adults"] if which else found[place]
                cells += [_rate(same[outcome]) for outcome in _REFUSALS[way]]
            rows.append(tuple(cells))
    heads = [
        f"{way}: {'no usable face' if outcome == 'faceless' else outcome}" for way in ways for outcome in _REFUSALS[way]
    ]
    return table(("group", "photos", *heads), rows)


def _rate(share: dict[str, Any]) -> str:
    low, high = (f"{100 * end:.1f}" for end in share["interval"])
    return f"{share['count']:,} of {share['of']:,} ({low} to {high} %)"
