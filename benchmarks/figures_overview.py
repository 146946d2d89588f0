"""The table of README.md: what was measured of the whole."""

from __future__ import annotations

import math

from benchmarks import figures_evaluation, figures_indexes
from benchmarks.common import read_results, table


def _of_scores() -> list[tuple[str, str]]:
    """Open-set searches and false matches, by cosine and by normalised scores."""
    runs = {run["protocol"]: run["rows"] for run in read_results("lfw_defaults")["runs"]}
    searched = {row["encoder"]: row for row in runs["open-set"]}
    default, dlib = searched["mobilefacenet:fp32@onnx"], searched["dlib-resnet:fp32@onnx"]
    rates = [(row["fnir_at_fpir"]["0.01"], row["normalised"]["fnir_at_fpir"]["0.01"]) for row in (default, dlib)]
    groups = next(
        row["groups"]
        for row in read_results("false_matches")
        if row["data"] == "utkface" and row["encoder"] == default["encoder"]
    )
    everyone, children = (next(group for group in groups if group["value"] == value) for value in ("", "0-4"))
    return [
        (
            f"LFW, {default['gallery_size']:,} people enrolled, {default['non_mated']:,} searches of strangers: "
            "share of the enrolled who are missed where 1 % of strangers get a name (FNIR at FPIR 0.01), "
            "by cosine → by normalised scores",
            f"{rates[0][0]:.3f} → {rates[0][1]:.3f}; `dlib-resnet` {rates[1][0]:.3f} → {rates[1][1]:.3f}",
        ),
        (
            "share of pairs of two people that match (FMR), UTKFace, by cosine → by normalised scores "
            "([by age, sex, origin; what that means for searches](docs/research/scores.md))",
            f"{everyone['fmr']:.2%} → {everyone['fmr_normalised']:.3%}; children below five "
            f"{children['fmr']:.0%} → {children['fmr_normalised']:.2%}",
        ),
    ]


def overview() -> str:
    """What was measured, row by row, in Markdown."""
    lfw, enrolment, cold = read_results("lfw_default"), read_results("enrolment"), read_results("cold_query")
    kills, default = read_results("kill_minus_nine"), read_results("embedded_default")
    pairs, probe, photos = lfw["pairs"], lfw["gallery_probe"], lfw["photos"]
    shipped = next(row for row in default if row["stored_as"] == "fp16-stored")
    included = next(row for row in read_results("embedded_mobilefacenet") if "embedded" in row["stored_as"])
    low, high = probe["top1"]["interval"]
    detection = [row for row in read_results("detection") if row["threads"] == 2]
    rows = [
        (
            "LFW, 6,000 pairs, with our own face detection",
            f"{pairs['accuracy']:.4f} ± {pairs['accuracy_std']:.4f}; "
            f"{photos['without_a_face']} of {photos['images']:,} photos without a face",
        ),
        (
            f"LFW, {probe['identities']:,} people enrolled with one photo, {probe['probes']:,} probes",
            f"top-1 {probe['top1']['rate']:.4f} ({low:.4f} to {high:.4f}); "
            f"the {probe['failed_to_enrol']} rejected first photos count as misses",
        ),
        (
            "included default against its original run by LiteRT",
            f"cosine at least {math.floor(included['cosine_min'] * 1e6) / 1e6:.6f}; {included['bytes'] / 1e6:.1f} MB, "
            f"{included['encode_ms']:.1f} ms per face on one core, where `dlib-resnet` takes, alternating with it, "
            f"{included['dlib_resnet_encode_ms']:.1f} ms",
        ),
        (
            "included `dlib-resnet` against dlib's own output",
            f"cosine at least {math.floor(shipped['cosine_min'] * 1e6) / 1e6:.6f}; {shipped['bytes'] / 1e6:.1f} MB",
        ),
    ]
    rows += _of_scores()
    for row in detection:
        rows.append(
            (
                f"detection against facenet-pytorch, photos above 1 megapixel, faces from {row['min_face']} pixels",
                f"{row['ratio']:.1f}× faster; {row['boxes_agree']} of {row['faces_reference']} boxes within 2 pixels",
            )
        )
    median, again = enrolment["median"], enrolment["second_run"]
    rows += [
        (
            "enrolment of LFW photos on two cores",
            f"{median['enrolment_per_second']:.0f} per second: {median['efficiency_against_processes']:.0%} of what "
            f"two independent processes reach, {median['efficiency']:.0%} of twice the parts alone on one core",
        ),
        ("enrolling the same folder again", f"{again['times_faster']:.0f}× faster, nothing is encoded"),
        (
            "`facesearch query` from the shell, 10,000 templates",
            ", ".join(f"{kind} {ms / 1000:.2f} s" for kind, ms in cold["query_ms"].items())
            + f"; with `dlib-resnet` {cold['query_by_dlib_resnet_and_cosine_ms'] / 1000:.2f} s",
        ),
        ("`facesearch --help`", f"{cold['help_ms'] / 1000:.2f} s"),
        (
            f"an enrolment killed {kills['kills']} times",
            f"{kills['lost']} of {kills['confirmed_photos_looked_for']:,} confirmed photos lost, "
            f"{kills['damaged']} galleries damaged",
        ),
    ]
    rows.insert(2, _leave_one_out())
    faults = read_results("fault_matrix")
    operations, kinds = ({row[name] for row in faults["rows"]} for name in ("operation", "kind"))
    rows.append(
        (
            f"writes, syncs, renames and deletions that fail, or where the process dies: {len(operations)} operations, "
            f"{len(kinds)} kinds of index",
            f"{faults['survived']:,} of {faults['cases']:,} cases survived",
        )
    )
    rows += figures_indexes.overview_rows()
    compact = {row["kind"]: row for row in read_results("compact_templates")["edgeface-xs"]["rows"]}
    rows.append(
        (
            f"templates of EdgeFace-XS on LFW, exact top-1 {compact['flat']['top1']:.4f}",
            "; ".join(
                f"`{kind}` {compact[kind]['bytes_per_template']} bytes: {compact[kind]['points']:+.2f} points"
                for kind in ("tcq128", "tcq64", "tcq32", "tcq16")
            ),
        )
    )
    return table(("what", "measured"), rows)


def ready_templates() -> str:
    """How fast templates that exist already are stored."""
    rows = []
    for row in read_results("ready_templates")["rows"]:
        rates = (row["stored_per_second"], row["database_alone_per_second"], row["stored_and_indexed_per_second"])
        single = row["single_ms"]
        cells = (*(f"{rate:,}" for rate in rates), f"{single['p50']:.0f} / {single['p95']:.0f} ms")
        rows.append((f"`{row['index']}`", f"`{row['codec']}`", *cells))
    columns = ("index", "stored as", "stored per second", "by SQLite alone", "stored and indexed per second")
    return table((*columns, "a single one, p50 / p95"), rows)


def _leave_one_out() -> tuple[str, str]:
    run = figures_evaluation.run_of("leave-one-out")
    found = {(row["encoder"], row["index"]): row for row in run["rows"]}
    parts = []
    for model in ("edgeface-xs", "dlib-resnet"):
        full, int8 = (found[f"{model}:{precision}@onnx", "flat"]["top1"] for precision in ("fp32", "int8"))
        parts.append(f"{model} {full:.4f}, INT8 {int8:.4f}")
    first = run["rows"][0]
    return (
        f"LFW leave-one-out, {first['probes']:,} searches among {first['gallery_size']:,} photos "
        "([all encoders and kinds](docs/research/results.md))",
        "top-1 " + "; ".join(parts),
    )
