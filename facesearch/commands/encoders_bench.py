"""facesearch encoders bench"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from facesearch.commands.common import (
    DeviceOption,
    JsonOption,
    VerboseOption,
    bytes_in_words,
    print_json,
    print_table,
    progress_bar,
    set_up,
)

EXAMPLES = """**Examples**

    facesearch encoders bench mobilefacenet

    facesearch encoders bench mobilefacenet@onnx mobilefacenet@openvino --runs 20 --threads 1
"""


def bench(
    names: Annotated[
        list[str], typer.Argument(metavar="NAME...", help="Encoders to compare: model[:precision][@backend].")
    ],
    runs: Annotated[int, typer.Option("--runs", help="How often each is timed, in turn.", min=1, max=10000)] = 10,
    threads: Annotated[
        int, typer.Option("--threads", help="Threads that a call may use; 0: all cores.", min=0, max=1024)
    ] = 0,
    device: DeviceOption = "cpu",
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Time encoders side by side on this machine: speed, memory, size, and cosine to the same model at FP32.

    The crops are of people who do not exist. Times are medians; memory is measured in a process of its own for each.
    """
    set_up(verbose)
    from facesearch.workshop.encoder_benchmark import bench as bench_encoders

    with progress_bar("timing", quiet=json) as bar:
        rows = bench_encoders(names, runs=runs, threads=threads, device=device, progress=bar)
    if json:
        print_json({"rows": [asdict(row) for row in rows], "runs": runs, "threads": threads})
        return
    columns = (
        "encoder",
        "device",
        "ms, batch 1",
        "ms, batch 32",
        "images/s",
        "memory",
        "file",
        "cosine to FP32",
        "× FP32 here",
        "× best FP32",
    )
    shown = [
        (
            row.encoder,
            row.device,
            f"{row.ms_batch_1:.2f}",
            f"{row.ms_batch_32:.2f}",
            f"{row.images_per_second:.0f}",
            bytes_in_words(row.peak_memory_bytes),
            bytes_in_words(row.file_bytes),
            f"{row.cosine_to_fp32:.5f}",
            _ratio(row.speedup_same_backend),
            _ratio(row.speedup_best_fp32),
        )
        for row in rows
    ]
    print_table(columns, shown, right=columns[2:])


def _ratio(speedup: tuple[float, float] | None) -> str:
    return "–" if speedup is None else f"{speedup[0]:.2f} / {speedup[1]:.2f}"
