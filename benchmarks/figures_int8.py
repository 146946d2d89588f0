"""The tables of docs/research/int8.md."""

from __future__ import annotations

from typing import Any

from benchmarks.common import read_results, table

_MEBIBYTE = 2**20


def accuracy() -> str:
    """LFW with every precision and backend, the paper's recipe at the end of each model."""
    return _accuracy(read_results("lfw_encoders")["rows"], read_results("lfw_paper_recipe")["rows"])


def accuracy_without_vnni() -> str:
    """The same on a CPU without VNNI."""
    return _accuracy(read_results("lfw_without_vnni")["rows"], [])


def _accuracy(ours: list[dict[str, Any]], plain: list[dict[str, Any]]) -> str:
    models = list(dict.fromkeys(_model(row) for row in ours))
    rows = []
    for model in models:
        mine = [row for row in ours if _model(row) == model]
        theirs = [row for row in plain if _model(row) == model and ":int8" in row["encoder"]]
        rows += [lfw_row(row, mine[0], "paper" if row in theirs else _recipe(row)) for row in mine + theirs]
    return lfw_table("recipe", rows)


def lfw_table(about: str, rows: list[tuple[str, ...]]) -> str:
    """A table of `lfw_row`s; about: the name of their second column."""
    columns = ("pairs, 6,000", "to FP32, points", "top-1", "to FP32, points", "cosine to FP32", "p1")
    return table(("encoder", about, *columns), rows)


def lfw_row(row: dict[str, Any], reference: dict[str, Any], about: str) -> tuple[str, ...]:
    """What `benchmarks.lfw_encoders` found of an encoder, beside a reference, which should be its FP32."""
    return (
        f"`{row['encoder']}`",
        about,
        f"{row['accuracy']:.4f}",
        f"{100 * (row['accuracy'] - reference['accuracy']):+.2f}",
        f"{row['top1']:.4f}",
        f"{100 * (row['top1'] - reference['top1']):+.2f}",
        f"{row['cosine_to_fp32_mean']:.4f}",
        f"{row['cosine_to_fp32_p1']:.4f}",
    )


def recipes() -> str:
    """What each recipe does to each model."""
    return _recipes("int8_recipes")


def _recipes(results: str) -> str:
    rows = [
        (
            f"`{row['model']}`",
            f"{row['recipe']} ({row['backend']})",
            f"{row['cosine_mean']:.4f}",
            f"{row['cosine_min']:.4f}",
            f"{row['size_ratio']:.1%}",
            f"{row['speed_against_fp32_onnx']:.2f}×",
        )
        for row in read_results(results)["recipes"]
    ]
    return table(("model", "recipe", "cosine, mean", "lowest", "size of FP32", "speed of FP32 ONNX, 1 core"), rows)


def recipes_of_mobilefacenet() -> str:
    """The same of MobileFaceNet, step by step."""
    return _recipes("int8_recipes_mobilefacenet")


def accuracy_of_mobilefacenet() -> str:
    """LFW with MobileFaceNet on every backend."""
    rows = read_results("lfw_mobilefacenet")["rows"]
    return lfw_table("recipe", [lfw_row(row, rows[0], _by_file(row["file"])) for row in rows])


def _by_file(name: str) -> str:
    return next((recipe for recipe in ("weights", "equalised", "nncf") if recipe in name), "–")


def layers() -> str:
    """Signal-to-noise ratio of EdgeFace-XS by type of operator, the paper's recipe beside ours."""
    found = {row["recipe"]: row for row in read_results("int8_recipes")["recipes"] if row["model"] == "edgeface-xs"}
    plain = found["paper"]["median_snr_db_by_operator"]
    rest = {name: found[name]["median_snr_db_by_operator"] for name in ("static", "dynamic", "chosen for onnx")}
    rows = [
        (kind, f"{ratio:.1f}", *(f"{each[kind]:.1f}" if kind in each else "float" for each in rest.values()))
        for kind, ratio in sorted(plain.items(), key=lambda item: item[1])
    ]
    return table(("operator", "paper, dB", *(f"{name}, dB" for name in rest)), rows)


def speed() -> str:
    """INT8 of large encoders on a CPU with VNNI."""
    return _speed("int8_speed")


def speed_of_transface() -> str:
    """TransFace-S again, with layers kept float only where that is worth something."""
    return _speed("int8_speed_transface")


def speed_without_vnni() -> str:
    """The same on a CPU without."""
    return _speed("int8_speed_without_vnni")


def _speed(results: str) -> str:
    rows = []
    for model in read_results(results)["models"]:
        for row in model["rows"]:
            one, many = row["faster_than_fp32_onnx"]
            size = f"{row['size_ratio']:.1%}" if "size_ratio" in row else "–"
            rows.append(
                (
                    f"`{row['encoder']}`",
                    row.get("scheme", "–"),
                    f"{row['ms_batch_1']:.1f}",
                    f"{row['ms_batch_32']:.1f}",
                    f"{one:.2f}× / {many:.2f}×",
                    size,
                    f"{row['peak_memory_bytes'] / _MEBIBYTE:.0f} MiB",
                    f"{row['cosine_to_fp32']:.4f}",
                )
            )
    columns = ("encoder", "scheme", "ms, batch 1", "ms per crop, batch 32", "faster than FP32 ONNX", "size of FP32")
    return table((*columns, "peak memory", "cosine to FP32"), rows)


def prelu() -> str:
    """The ways to write PRelu."""
    rows = [
        (
            row["form"],
            f"{row['ms_onnx']:.1f}",
            f"{row['ms_openvino']:.1f}",
            f"{row['furthest']:.0e}" if row["furthest"] else "0",
            f"{row['cosine_int8_openvino']:.3f}",
        )
        for row in read_results("prelu_speed")["rows"]
    ]
    columns = ("as", "ONNX Runtime, ms", "OpenVINO, ms", "largest difference", "INT8 on OpenVINO, cosine to FP32")
    return table(columns, rows)


def _model(row: dict[str, Any]) -> str:
    return str(row["encoder"]).partition(":")[0]


def _recipe(row: dict[str, Any]) -> str:
    if ":int8" not in row["encoder"]:
        return "–"
    return "clipped" if "clipped" in row.get("file", "") else "ours"
