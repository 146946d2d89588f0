"""The matrix on all of LFW, with the product's own detection: encoders × kinds of index, under four protocols.

    python -m benchmarks.lfw_matrix LFW_FOLDER [UTKFACE_FOLDER] --encoder edgeface-xs:fp32@onnx … --index flat …

What `facesearch evaluate` does, with everything that it keeps in $FACESEARCH_HOME (templates, codebooks, times), so
that an interrupted run goes on and a second one searches only. Kinds that learn do so from UTKFace. Encoders that are
not on this machine are left out and named. Writes benchmarks/results/lfw_matrix.json: no names of people, no paths.
"""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from benchmarks.common import measured
from facesearch.commands.common import progress_bar
from facesearch.encoders import EncoderSpec, find_model
from facesearch.errors import FacesearchError
from facesearch.evaluation.extraction import Progress
from facesearch.evaluation.matrix import Request, evaluate
from facesearch.evaluation.results import Run, save_run
from facesearch.evaluation.timing import PACKAGES

PROTOCOLS = ("leave-one-out", "gallery-probe", "open-set", "pairs", "cross-precision")
_PERSONAL = ("hardest", "det", "cmc", "encoder_fidelity", "codec_fidelity", "operating_points", "accept_rates")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lfw", type=Path)
    parser.add_argument(
        "utkface", type=Path, nargs="?", help="photos that kinds learn from; without them from LFW itself"
    )
    parser.add_argument("--encoder", action="append", required=True)
    parser.add_argument("--index", action="append", required=True)
    parser.add_argument("--few", action="append", help="kinds of index for all protocols but leave-one-out")
    parser.add_argument("--few-encoder", action="append", help="encoders for all protocols but leave-one-out")
    parser.add_argument("--protocol", action="append", choices=PROTOCOLS)
    parser.add_argument("--name", default="lfw_matrix", help="of the results")
    parser.add_argument("--again", action="store_true", help="once more: write only how long each protocol takes")
    arguments = parser.parse_args()
    all_encoders, missing = there_are(arguments.encoder)
    few_encoders = [name for name in all_encoders if name in (arguments.few_encoder or arguments.encoder)]
    runs = []
    for protocol in arguments.protocol or PROTOCOLS:
        encoders = all_encoders if protocol == PROTOCOLS[0] else few_encoders
        if protocol == "cross-precision" and not _has_both(encoders):
            continue
        started = time.perf_counter()
        request = Request(
            folder=arguments.lfw,
            encoders=tuple(encoders),
            kinds=tuple(arguments.index if protocol == PROTOCOLS[0] else arguments.few or arguments.index),
            protocol=protocol,
            codec_training=arguments.utkface,
            command=f"facesearch evaluate lfw_deepfunneled --protocol {protocol} …",
        )
        run = evaluate(request, _stage)
        save_run(run)
        seconds = time.perf_counter() - started
        print(f"{protocol}: {len(run.rows)} rows in {seconds:.0f} s", file=sys.stderr, flush=True)
        runs.append(took(run, seconds) if arguments.again else summary(run, seconds))
        learnt = " utkface/unlabelled" if arguments.utkface else ""
        asked = [f"--encoder {name}" for name in arguments.encoder] + [f"--index {kind}" for kind in arguments.index]
        asked += [f"--few {kind}" for kind in arguments.few or ()]
        asked += [f"--few-encoder {name}" for name in arguments.few_encoder or ()]
        measured(
            f"{arguments.name}_again" if arguments.again else arguments.name,
            {"runs": runs, "encoders_not_here": missing},
            f"python -m benchmarks.lfw_matrix lfw_deepfunneled{learnt} {' '.join(asked)}{' --again' * arguments.again}",
            PACKAGES,
        )


def took(run: Run, seconds: float) -> dict[str, Any]:
    """How long a protocol took where templates, codes and searches were kept."""
    return {"protocol": run.protocol, "rows": len(run.rows), "seconds": round(seconds, 1)}


def there_are(names: list[str]) -> tuple[list[str], dict[str, str]]:
    """Those of the encoders that can be run here, and why the others cannot."""
    found, missing = [], {}
    for name in names:
        spec = EncoderSpec.parse(name)
        try:
            find_model(spec.model).variant(spec)
            found.append(name)
        except FacesearchError as error:
            missing[name] = str(error)
    return found, missing


def summary(run: Run, seconds: float) -> dict[str, Any]:
    """A run without names of people; seconds: what the evaluation took, with what was kept of earlier ones."""
    facts = run.dataset
    rows = []
    for row in run.rows:
        document = row.document()
        rows.append({key: value for key, value in document.items() if key not in _PERSONAL})
    return {
        "protocol": run.protocol,
        "images": facts.images,
        "identities": facts.identities,
        "with_one_image": facts.single,
        "duplicates": facts.duplicates,
        "unreadable": facts.unreadable,
        "data_set_sha256": facts.sha256,
        "failed_to_enrol": len(run.failures),
        "seconds": round(seconds, 1),
        "rows": rows,
    }


def _has_both(encoders: list[str]) -> bool:
    specs = [EncoderSpec.parse(name) for name in encoders]
    full = {spec.model for spec in specs if spec.precision == "fp32"}
    return any(spec.model in full for spec in specs if spec.precision != "fp32")


def _stage(text: str) -> AbstractContextManager[Progress]:
    print(f"{text} …", file=sys.stderr, flush=True)
    return progress_bar(text)


if __name__ == "__main__":
    main()
