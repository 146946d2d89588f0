"""The tables of docs/research/results.md and docs/research/reproduction.md."""

from __future__ import annotations

from typing import Any

from benchmarks.common import read_results, table


def template_codes() -> str:
    """The paper's INT8 embeddings against ours."""
    rows = []
    for row in read_results("template_codes")["rows"]:
        low, high = row["top1_both_delta_ci"]
        delta = "–" if row["scheme"] == "float32" else f"{100 * row['top1_both_delta']:+.2f} ({_span(low, high)})"
        text = "–" if row["csv_bytes"] is None else f"{row['csv_bytes']:,.0f}"
        rows.append(
            (
                f"`{row['encoder']}`",
                row["scheme"],
                f"{row['bytes']}",
                text,
                f"{row['cosine_mean']:.5f}",
                f"{row['cosine_p1']:.5f}",
                f"{row['top1']:.4f}",
                f"{row['top1_both']:.4f}",
                delta,
                "–" if row["scheme"] == "float32" else f"{row['mcnemar_p']:.2f}",
            )
        )
    columns = ("encoder", "scheme", "bytes", "as text", "cosine", "p1", "top-1", "top-1, both")
    return table((*columns, "to float32, points", "McNemar p"), rows)


def paper() -> str:
    """The rows of the paper's matrix that could be run."""
    by_probes = {run["min_images"]: run["rows"] for run in read_results("paper")["runs"]}
    everybody = {(row["encoder"], row["index"]): row for row in by_probes[1]}
    rows = []
    for row in by_probes[2]:
        other = everybody[row["encoder"], row["index"]]
        cells = (f"{row['top1']:.4f}", _points(row["paired"]), f"{other['top1']:.4f} of {other['top1_ceiling']:.4f}")
        rows.append((f"`{row['encoder']}`", f"`{row['index']}`", *cells))
    columns = ("encoder", "embeddings", "top-1, people with another image", "to FP32 flat, points")
    return table((*columns, "top-1, everybody"), rows)


def default_thresholds() -> str:
    """FMR of the included default per threshold, and what a stranger meets."""
    return _thresholds("mobilefacenet")


def edgeface_xs_thresholds() -> str:
    """FMR of EdgeFace-XS per threshold, and what a stranger meets."""
    return _thresholds("edgeface-xs")


def edgeface_xxs_thresholds() -> str:
    """The same of EdgeFace-XXS."""
    return _thresholds("edgeface-xxs")


def _thresholds(model: str) -> str:
    found = read_results(f"default_threshold_{model}")
    default = found["default_threshold"]
    counted = next(row["counted"] for row in found["fpir"] if row["threshold"] == default)
    rows = []
    for threshold, fmr in found["fmr_at_threshold"].items():
        mark = "**" if float(threshold) == default else ""
        strangers = [f"{counted[size]:.1%}" if mark else "" for size in ("10", "100", "1000")]
        rows.append((f"{mark}{float(threshold):.2f}{mark}", f"{fmr:.4%}", *strangers))
    return table(("threshold", "FMR", "FPIR counted, N = 10", "N = 100", "N = 1,000"), rows)


def identification() -> str:
    """Leave-one-out on LFW: the matrix."""
    rows = []
    for row in run_of("leave-one-out")["rows"]:
        low, high = row["top1_ci"]
        change = row["paired"]
        rows.append(
            (
                f"`{row['encoder']}`",
                f"`{row['index']}`",
                f"{row['top1']:.4f}",
                f"{low:.4f}–{high:.4f}",
                _points(change),
                "–" if change is None else f"{change['p_value']:.2g}",
                _cosine(row["cosine_fidelity_encoder"]),
                _cosine(row["cosine_fidelity_codec"]),
                f"{row['bytes_per_template']:.1f}",
                f"{row['storage_saving']:.1%}",
                _mebibytes(row["gallery_bytes"]),
                f"{row['encode_ms']:.1f}",
                f"{row['search_ms']:.2f}",
            )
        )
    columns = (
        "encoder",
        "index",
        "top-1",
        "95 %",
        "to FP32 flat, points",
        "McNemar p",
        "encoder cosine",
        "codec cosine",
    )
    return table((*columns, "bytes/template", "saving", "gallery, MiB", "encode, ms", "search, ms"), rows)


def closed_set() -> str:
    """Gallery-probe on LFW: CMC."""
    rows = []
    for row in run_of("gallery-probe")["rows"]:
        rates = row["identification_rate_at_rank"]
        cells = [f"{rates[rank]:.4f}" for rank in ("1", "5", "10", "20", "50")]
        rows.append((f"`{row['encoder']}`", f"`{row['index']}`", *cells))
    return table(("encoder", "index", "rank 1", "rank 5", "rank 10", "rank 20", "rank 50"), rows)


def open_set() -> str:
    """Open set on LFW: FNIR at FPIR."""
    rows = []
    for row in run_of("open-set")["rows"]:
        cells = []
        for rate in ("0.1", "0.01", "0.003", "0.001"):
            fnir, span = row["fnir_at_fpir"][rate], row["fnir_ci_at_fpir"][rate]
            cells.append("–" if fnir is None else f"{fnir:.4f} ({span[0]:.3f}–{span[1]:.3f})")
        rows.append((f"`{row['encoder']}`", f"`{row['index']}`", *cells))
    return table(("encoder", "index", "FPIR 0.1", "FPIR 0.01", "FPIR 0.003", "FPIR 0.001"), rows)


def pairs() -> str:
    """LFW's 6,000 pairs."""
    rows = []
    for row in run_of("pairs")["rows"]:
        tar = row["tar_at_far"]
        cells = ["–" if tar[rate] is None else f"{tar[rate]:.4f}" for rate in ("0.01", "0.001")]
        rows.append(
            (
                f"`{row['encoder']}`",
                f"`{row['index']}`",
                f"{row['accuracy']:.4f} ± {row['accuracy_std']:.4f}",
                _points(row["paired"]),
                *cells,
            )
        )
    return table(("encoder", "index", "accuracy", "to FP32 flat, points", "TAR at FAR 0.01", "TAR at FAR 0.001"), rows)


def cross_precision() -> str:
    """Gallery and probes of different precision."""
    rows = []
    for row in run_of("cross-precision")["rows"]:
        low, high = row["top1_ci"]
        rows.append(
            (
                f"`{row['encoder']}`",
                f"`{row['probe_encoder']}`",
                f"`{row['index']}`",
                f"{row['top1']:.4f}",
                f"{low:.4f}–{high:.4f}",
                _points(row["paired"]),
            )
        )
    return table(("gallery", "probes", "index", "top-1", "95 %", "to FP32 flat, points"), rows)


def data() -> str:
    """What was evaluated."""
    rows = []
    for run in read_results("lfw_matrix")["runs"]:
        first = run["rows"][0]
        foreign = "–" if first["non_mated"] is None else f"{first['non_mated']:,}"
        rows.append(
            (
                run["protocol"],
                f"{run['images']:,}",
                f"{run['identities']:,}",
                f"{first['gallery_size']:,}",
                f"{first['probes']:,}",
                foreign,
                f"{run['failed_to_enrol']}",
            )
        )
    columns = (
        "protocol",
        "images",
        "people",
        "templates searched",
        "searches or pairs",
        "non-mated",
        "without a template",
    )
    return table(columns, rows)


def run_of(protocol: str) -> dict[str, Any]:
    """The LFW matrix under a protocol."""
    found: dict[str, Any] = next(r for r in read_results("lfw_matrix")["runs"] if r["protocol"] == protocol)
    return found


def _points(change: dict[str, Any] | None) -> str:
    if change is None:
        return "–"
    low, high = change["delta_ci"]
    return f"{100 * change['delta']:+.2f} ({_span(low, high)})"


def _span(low: float, high: float) -> str:
    return f"{100 * low:+.2f} to {100 * high:+.2f}"


def _cosine(value: float | None) -> str:
    return "–" if value is None else f"{value:.5f}"


def _mebibytes(count: int | None) -> str:
    return "–" if count is None else f"{count / 2**20:.1f}"
