"""The tables of docs/research/scores.md, and of encoders by both scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.common import read_results, table

_FORMS = (
    "cosine",
    "symmetric, k = 10",
    "of the probe, k = 10",
    "of the probe, above the level, k = 5",
    "the prototypes alone",
    "normalised",
)
_MORE = ("portraits alone", "drawn alone", "two photos, nobody enrolled")
_NAMES = {
    "mobilefacenet:fp32@onnx": "`mobilefacenet`, weights stored as FP16",
    "mobilefacenet-32:fp32@onnx": "`mobilefacenet`, stored as FP32",
    "mobilefacenet:int8@onnx": "`mobilefacenet:int8@onnx`",
    "mobilefacenet:int8@openvino": "`mobilefacenet:int8@openvino`",
    "dlib-resnet:fp32@onnx": "`dlib-resnet`",
    "edgeface-xs:fp32@onnx": "`edgeface-xs`",
    "edgeface-xxs:fp32@onnx": "`edgeface-xxs`",
}


def by_age() -> str:
    """False matches of the default encoder within age groups, by form."""
    found = _scores("mobilefacenet")["ages"]
    groups = list(found["people"])
    rows = [(form, *(f"{found[form][group]:.3f} %" for group in groups)) for form in (*_FORMS, *_MORE)]
    return table(("form", *(f"ages {group} ({found['people'][group]})" for group in groups)), rows)


def by_group() -> str:
    """False matches by group, by cosine and normalised, of each encoder."""
    rows = [row for row in read_results("false_matches") if row["data"] == "utkface"]
    names = [row["encoder"].partition(":")[0] for row in rows]
    lines = []
    for place, group in enumerate(rows[0]["groups"]):
        cells = [f"{group['label']} {group['value']}".strip(), f"{group['photos']:,}"]
        for row in rows:
            of_encoder = row["groups"][place]
            cells += [f"{100 * of_encoder['fmr']:.3f} %", f"{100 * of_encoder['fmr_normalised']:.3f} %"]
        lines.append(tuple(cells))
    heads = [head for name in names for head in (f"`{name}`, cosine", "normalised")]
    return table(("group", "photos", *heads), lines)


def on_lfw() -> str:
    """FNIR at FPIR, and what the default threshold gives, by size of the gallery and form."""
    rows = []
    for encoder in ("mobilefacenet", "dlib-resnet", "edgeface-xs"):
        for people, forms in _scores(encoder)["searches"].items():
            for form in ("cosine", "symmetric, k = 10", "normalised"):
                values = forms[form]
                rates = [values[name] for name in ("fnir_at_0.1", "fnir_at_0.01", "fnir_at_0.003", "fpir", "fnir")]
                rows.append((f"`{encoder}`", f"{int(people):,}", form, *(f"{rate:.4f}" for rate in rates)))
    heads = ("FNIR at FPIR 0.1", "0.01", "0.003", "FPIR at the default threshold", "FNIR there")
    return table(("encoder", "people", "form", *heads), rows)


def of_children() -> str:
    """What strangers among children get, in galleries of children alone and among adults."""
    rows = []
    for encoder in ("mobilefacenet", "dlib-resnet", "edgeface-xs"):
        found = _scores(encoder)
        for key, others in (("schools", "nobody"), ("among_adults", "2,875 adults")):
            rows += [(f"`{encoder}`", str(row["children"]), others, *_fpirs(row)) for row in found[key]]
    return table(("encoder", "children enrolled", "with", *_WAYS), rows)


def of_families() -> str:
    """Misses and false names in galleries of five people who are alike."""
    rows = []
    for encoder in ("mobilefacenet", "dlib-resnet", "edgeface-xs"):
        for row in _scores(encoder)["families"]:
            rates = [f"{row[way][rate]:.3f}" for rate in ("fnir", "fpir") for way in ("cosine", "normalised")]
            rows.append((f"`{encoder}`", f"{row['similarity']:.2f}", *rates))
    heads = ("FNIR, cosine", "normalised", "FPIR, cosine", "normalised")
    return table(("encoder", "mean similarity to the others", *heads), rows)


def cost() -> str:
    """What a search by normalised scores takes beside one by cosine."""
    rows = [
        (
            f"{row['templates']:,}",
            f"`{row['index']}`",
            "fused" if row["fused"] else str(row["k"]),
            f"{row['ms']['cosine']:.2f}",
            f"{100 * (row['ratio'] - 1):+.0f} %",
        )
        for row in read_results("score_cost")
    ]
    return table(("templates", "index", "k", "by cosine, ms", "normalised"), rows)


def encoders() -> str:
    """The encoders on LFW: bytes, milliseconds, accuracy, FNIR at FPIR by both scores."""
    runs = {
        run["protocol"]: {row["encoder"]: row for row in run["rows"]} for run in read_results("lfw_defaults")["runs"]
    }
    rows = []
    for encoder, name in _NAMES.items():
        searches = runs["open-set"][encoder]
        rows.append(
            (
                name,
                f"{searches['encoder_bytes'] / 1e6:.2f}",
                f"{searches['encode_ms']:.1f}",
                f"{runs['pairs'][encoder]['accuracy']:.4f}",
                f"{runs['leave-one-out'][encoder]['top1']:.4f}",
                f"{runs['gallery-probe'][encoder]['top1']:.4f}",
                *(_both(searches, fpir) for fpir in ("0.1", "0.01", "0.003")),
            )
        )
    heads = ("MB (10⁶)", "ms", "pairs", "leave-one-out", "gallery-probe", "FNIR at FPIR 0.1", "0.01", "0.003")
    return table(("encoder", *heads), rows)


_WAYS = ("FPIR, cosine", "normalised", "with a cohort of 100 others")


def _fpirs(row: Mapping[str, Any]) -> Sequence[str]:
    return [f"{row[way]['fpir']:.3f}" for way in ("cosine", "normalised", "normalised, with a cohort of 100")]


def _both(row: Mapping[str, Any], fpir: str) -> str:
    normalised = row.get("normalised")
    after = f" → {normalised['fnir_at_fpir'][fpir]:.3f}" if normalised else ""
    return f"{row['fnir_at_fpir'][fpir]:.3f}{after}"


def _scores(encoder: str) -> Any:
    return next(row for row in read_results("normalised_scores") if row["encoder"].startswith(f"{encoder}:"))
