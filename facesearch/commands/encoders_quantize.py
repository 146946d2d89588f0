"""facesearch encoders quantize"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facesearch.commands.common import (
    JsonOption,
    VerboseOption,
    bytes_in_words,
    print_json,
    print_table,
    progress_bar,
    say,
    set_up,
)
from facesearch.commands.paths import given_path
from facesearch.errors import UsageError

if TYPE_CHECKING:
    from facesearch.workshop.quantize import QuantizationReport, QuantizedFile

EXAMPLES = """**Examples**

    facesearch encoders quantize edgeface-xs --precision int8 --calibration ~/photos

    facesearch encoders quantize mobilefacenet --precision int8 --backend all

    facesearch encoders quantize edgeface-xs --precision w4a4 --calibration ~/photos
"""

_WORST = 5  # layers shown


def quantize(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of a model on this machine.")],
    precision: Annotated[
        str, typer.Option("--precision", help="int8, w4 (weights alone, for ONNX Runtime), or w3a3 to w8a8.")
    ] = "int8",
    backend: Annotated[
        str | None,
        typer.Option(
            "--backend",
            help="What is to run it: onnx, openvino, torch, or all. Default: onnx; of w3a3 to w8a8 torch.",
            show_default=False,
        ),
    ] = None,
    calibration: Annotated[
        Path | None,
        typer.Option(
            "--calibration",
            metavar="DIR",
            help="Photos of faces, of anybody but those to be judged on. Default: synthetic people.",
            show_default=False,
            parser=given_path,
        ),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            "--recipe",
            help="balanced, static, equalised, weights, dynamic, paper or nncf. Default: what is measured to be best.",
            show_default=False,
        ),
    ] = None,
    percentile: Annotated[
        float | None,
        typer.Option("--percentile", help="Range of activations: this percentile, not all.", show_default=False),
    ] = None,
    smooth: Annotated[
        float | None,
        typer.Option("--smooth", metavar="ALPHA", help="SmoothQuant's alpha, 0 for none.", show_default=False),
    ] = None,
    keep_float: Annotated[
        int | None,
        typer.Option("--keep-float", metavar="N", help="Layers that stay float, the worst.", show_default=False),
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(
            "--method",
            help="w3a3 to w8a8: quantface, distillation, svdquant, rotation, smoothquant, rounding or maxmin. "
            "Default: quantface.",
            show_default=False,
        ),
    ] = None,
    budget_bits: Annotated[
        float | None,
        typer.Option(
            "--budget-bits",
            metavar="B",
            help="w3a3 to w8a8: average bits of weights and of activations. Default: those of the precision.",
            show_default=False,
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option("--steps", metavar="N", help="w3a3 to w8a8: steps of training, 0 for none.", show_default=False),
    ] = None,
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Make an encoder smaller and faster: INT8, measured against FP32. Needs the extra [torch].

    Below eight bits (w4a8 is weights of 4, activations of 8 bits) it becomes smaller but not faster: what computes with
    so few bits is simulated.
    """
    set_up(verbose)
    from facesearch.quantization.recipe import Overrides
    from facesearch.workshop.quantize import BACKENDS, quantize_encoder
    from facesearch.workshop.quantize_low_bit import is_low_bit, quantize_low_bit

    log = logging.getLogger("facesearch")
    _check_together(
        is_low_bit(precision),
        {"--recipe": recipe, "--percentile": percentile, "--smooth": smooth, "--keep-float": keep_float},
        {"--method": method, "--budget-bits": budget_bits, "--steps": steps},
        backend,
    )
    with progress_bar("done", quiet=json) as bar:
        if is_low_bit(precision):
            report = quantize_low_bit(
                name,
                precision=precision,
                method=method or "quantface",
                budget_bits=budget_bits,
                steps=steps,
                calibration=calibration,
                progress=bar,
                step=log.info,
            )
        else:
            report = quantize_encoder(
                name,
                precision=precision,
                backends=BACKENDS if backend == "all" else (backend or "onnx",),
                calibration=calibration,
                overrides=Overrides(recipe, percentile, smooth, keep_float),
                progress=bar,
                step=log.info,
            )
    for warning in report.warnings:
        log.warning("%s", warning)
    if json:
        print_json(_document(report))
        return
    rows = [
        (
            each.encoder,
            each.path.name,
            bytes_in_words(each.size_bytes),
            f"{each.size_ratio:.0%}",
            f"{each.fidelity.mean:.4f}",
            f"{each.fidelity.minimum:.4f}",
        )
        for each in report.files
    ]
    columns = ("encoder", "file", "size", "of FP32", "cosine to FP32", "lowest")
    print_table(columns, rows, right=("size", "of FP32", "cosine to FP32", "lowest"))
    for file in report.files:
        if file.reason:
            say(f"{file.encoder}: {file.reason}")
        if file.fidelity.layers:
            say(f"worst layers of {file.encoder} (signal to noise, dB):")
            for layer in file.fidelity.layers[:_WORST]:
                say(f"  {layer.snr_db:5.1f}  {layer.op_type}  {layer.layer}")
        if file.kept_float:
            say(f"activations left float in {len(file.kept_float)} layers")
        if file.bits:
            say(f"average bits: weights {file.bits[0]:.2f}, activations {file.bits[1]:.2f}")


def _check_together(low_bit: bool, of_int8: dict[str, Any], of_low_bit: dict[str, Any], backend: str | None) -> None:
    """Raises `UsageError` for an option that does not go with the precision."""
    wrong = [name for name, value in (of_int8 if low_bit else of_low_bit).items() if value is not None]
    if wrong:
        raise UsageError(f"{wrong[0]} goes with --precision {'int8' if low_bit else 'w3a3 to w8a8'} only")
    if low_bit and backend not in (None, "torch"):
        raise UsageError("w3a3 to w8a8 are for --backend torch only")


def _document(report: QuantizationReport) -> dict[str, Any]:
    return {
        "model": report.model,
        "files": [_file(each) for each in report.files],
        "calibration": {
            "images": report.calibration_images,
            "skipped": report.calibration_skipped,
            "sha256": report.calibration_sha256,
        },
        "warnings": list(report.warnings),
    }


def _file(each: QuantizedFile) -> dict[str, Any]:
    return {
        "encoder": each.encoder,
        "scheme": each.scheme,
        "file": each.path.name,
        "size_bytes": each.size_bytes,
        "fp32_bytes": each.fp32_bytes,
        "size_ratio": each.size_ratio,
        "cosine": {
            "mean": each.fidelity.mean,
            "p1": each.fidelity.p1,
            "min": each.fidelity.minimum,
            "crops": each.fidelity.crops,
        },
        "reason": each.reason or None,
        "kept_float": list(each.kept_float),
        "average_bits": None if each.bits is None else {"weights": each.bits[0], "activations": each.bits[1]},
        "simulated": each.bits is not None,
        "layers": [
            {"layer": layer.layer, "op_type": layer.op_type, "snr_db": layer.snr_db} for layer in each.fidelity.layers
        ],
    }
