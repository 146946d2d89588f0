"""facesearch encoders"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facesearch.commands import encoders_bench
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
from facesearch.commands.encoders_quantize import EXAMPLES as QUANTIZE_EXAMPLES
from facesearch.commands.encoders_quantize import quantize
from facesearch.commands.paths import given_path
from facesearch.errors import UsageError

if TYPE_CHECKING:
    from facesearch.encoders import Model, VariantInfo
    from facesearch.workshop.model_import import ImportedModel, ImportRequest

app = typer.Typer(help="The models that turn faces into templates.", no_args_is_help=True)


def _model_names(incomplete: str) -> list[str]:
    from facesearch.encoders import models

    return [model.name for model in models() if model.name.startswith(incomplete)]


NameArgument = Annotated[str, typer.Argument(metavar="NAME", autocompletion=_model_names, help="Name of a model.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Take the place of a model of that name.")]


@app.command("list", epilog="**Example**\n\n    facesearch encoders list")
def list_(json: JsonOption = False, verbose: VerboseOption = False) -> None:
    """All models, on this machine or to be had, with licence, dimension and size."""
    set_up(verbose)
    from facesearch.encoders import models, variants

    rows = [(model, variants(model)) for model in models()]
    if json:
        print_json(
            {
                "encoders": [entry for model, found in rows for entry in _encoders(model, found)],
                "models": [_facts(model) | {"precisions": _precisions(found)} for model, found in rows],
            }
        )
        return
    shown = [
        (
            model.name,
            "yes" if model.installed else "no",
            ", ".join(_precisions(found)),
            model.dimension,
            model.crop,
            bytes_in_words(_size(model, found)),
            model.licence,
            "yes" if model.commercial_use else "no",
        )
        for model, found in rows
    ]
    columns = ("model", "installed", "precisions", "dimension", "crop", "size", "licence", "commercial use")
    print_table(columns, shown, right=("dimension", "size"))


@app.command(epilog="**Example**\n\n    facesearch encoders show mobilefacenet")
def show(name: NameArgument, json: JsonOption = False, verbose: VerboseOption = False) -> None:
    """One model: what it is, where it comes from, what may be done with it."""
    set_up(verbose)
    from facesearch.encoders import EncoderSpec, find_model, variants

    model = find_model(EncoderSpec.parse(name).model)
    found = variants(model)
    if json:
        print_json(_facts(model) | {"variants": [_variant(variant) for variant in found]})
        return
    parameters = f"{model.parameters:,} parameters" if model.parameters else "parameters not counted"
    say(f"{model.name}: {model.description}")
    say(f"  dimension   {model.dimension}, {parameters}")
    say(f"  crop        {model.crop}, {model.crop_size}×{model.crop_size}")
    say(f"  input       {model.normalisation}")
    say(f"  threshold   {model.threshold:.3f}; {model.threshold_source}")
    say(f"  licence     {model.licence}; commercial use {'allowed' if model.commercial_use else 'not cleared'}")
    say(f"  terms       {model.terms}")
    say(f"  source      {model.source}")
    for variant in found:
        say(f"  {variant.spec}  {bytes_in_words(variant.size_bytes)}, SHA-256 {variant.sha256[:16]}…")
    if not found:
        say(f"  not on this machine: facesearch encoders pull {model.name}")


PULL_EXAMPLES = """**Examples**

    facesearch encoders pull edgeface-xs

    facesearch encoders pull facenet-vggface2 --from https://mirror.example/models/

    facesearch encoders pull transface-s --from glint360k_model_TransFace_S.pt
"""


@app.command(epilog=PULL_EXAMPLES)
def pull(
    name: NameArgument,
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="WHERE",
            help="A mirror (its base URL or the file's URL), or a file or folder here. Default: the authors' address.",
            show_default=False,
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Also where the model is here already.")] = False,
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Fetch the weights of a model from its authors, check and convert them. Needs the extra [torch]."""
    set_up(verbose)
    if source == "":
        raise UsageError("--from is empty: name a mirror, a file or a folder")
    from facesearch.workshop.model_import import ImportRequest, pull_model

    with _told(ImportRequest(family=name, force=force), quiet=json) as request:
        made = pull_model(request, source=source)
    _print_made(made, json)


IMPORT_EXAMPLES = """**Examples**

    facesearch encoders import edgeface_xs_gamma_06.pt --family edgeface-xs

    facesearch encoders import my_finetuned.pt --family transface-s --name my-transface

    facesearch encoders import w600k_r50.onnx --family onnx --name r50 --crop arcface

    facesearch encoders import own.onnx --family onnx --name own --threshold 0.35 --licence MIT --commercial
"""


@app.command("import", epilog=IMPORT_EXAMPLES)
def import_(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Weights: .pt, .pth, .safetensors or .onnx.", parser=given_path)
    ],
    family: Annotated[str, typer.Option("--family", help="A model of the list, or onnx for any ONNX file.")],
    name: Annotated[
        str | None, typer.Option("--name", help="What to call it. Default: the family.", show_default=False)
    ] = None,
    crop: Annotated[
        str | None,
        typer.Option(
            "--crop",
            help="ONNX: crop it was trained on, arcface, mtcnn-margin or dlib-chip. Default: arcface.",
            show_default=False,
        ),
    ] = None,
    layout: Annotated[
        str | None, typer.Option("--layout", help="ONNX: nchw or nhwc. Default: as the file says.", show_default=False)
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(
            "--size", help="ONNX: side of its input in pixels. Default: as the file says.", show_default=False
        ),
    ] = None,
    colour: Annotated[
        str | None,
        typer.Option("--colour", help="ONNX: order of its channels, rgb or bgr. Default: rgb.", show_default=False),
    ] = None,
    mean: Annotated[
        str | None,
        typer.Option(
            "--mean",
            help="ONNX: subtracted from 0..255, one number or three, as 123.7,116.3,103.5. Default: 127.5.",
            show_default=False,
        ),
    ] = None,
    scale: Annotated[
        str | None,
        typer.Option(
            "--scale",
            help="ONNX: what that is multiplied with, one number or three. Default: 1/127.5.",
            show_default=False,
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            "--threshold",
            help="ONNX: similarity from which two faces are the same person, -1 to 1. Default: 0.4, not measured.",
            show_default=False,
        ),
    ] = None,
    licence: Annotated[
        str | None, typer.Option("--licence", help="ONNX: its licence. Default: not known.", show_default=False)
    ] = None,
    commercial: Annotated[bool, typer.Option("--commercial", help="ONNX: commercial use is allowed.")] = False,
    force: ForceOption = False,
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Make an encoder from weights in a file: checked, converted, tested. Needs the extra [torch].

    A model of the list is known by its --family; nothing in the file is run as code, and it has to fit in every weight.
    Any ONNX file that takes crops and gives one row of numbers for each can be used with --family onnx. The options
    marked ONNX say what it does not say of itself; those left out are taken from FILE.json beside it.
    """
    set_up(verbose)
    from facesearch.encoders.catalog import ONNX_FAMILY
    from facesearch.workshop.model_import import ImportRequest, import_model
    from facesearch.workshop.onnx_options import options_from_words

    options = options_from_words(
        file if family == ONNX_FAMILY else None,
        crop=crop,
        layout=layout,
        size=size,
        colour=colour,
        mean=mean,
        scale=scale,
        threshold=threshold,
        licence=licence,
        commercial=commercial or None,
    )
    asked = ImportRequest(family=family, name=name, options=options, force=force)
    with _told(asked, quiet=json) as request:
        made = import_model(file, request)
    _print_made(made, json)


app.command(epilog=QUANTIZE_EXAMPLES)(quantize)
app.command(epilog=encoders_bench.EXAMPLES)(encoders_bench.bench)


@app.command(epilog="**Example**\n\n    facesearch encoders remove edgeface-xs")
def remove(name: NameArgument, json: JsonOption = False, verbose: VerboseOption = False) -> None:
    """Delete a model from this machine. Galleries stay, but cannot be asked until it is there again."""
    set_up(verbose)
    from facesearch.workshop.model_folder import remove_model

    freed = remove_model(name)
    if json:
        print_json({"model": name, "freed_bytes": freed})
        return
    say(f"removed {name}: {bytes_in_words(freed)} freed")


@contextmanager
def _told(request: ImportRequest, *, quiet: bool) -> Iterator[ImportRequest]:
    """The request with a progress bar for its download, and its steps on standard error where that is wanted."""
    with progress_bar(f"{request.name or request.family} (MB)", quiet=quiet) as bar:

        def progress(done: int, total: int) -> None:
            bar(done >> 20, max(total, done) >> 20)

        yield replace(request, progress=progress, step=logging.getLogger("facesearch").info)


def _print_made(made: ImportedModel, json: bool) -> None:
    from facesearch.encoders import variants

    found = variants(made.model)
    for warning in made.warnings:
        logging.getLogger("facesearch").warning("%s", warning)
    if json:
        tested = made.self_test
        print_json(
            _facts(made.model)
            | {
                "variants": [_variant(variant) for variant in found],
                "source_sha256": made.source.sha256 if made.source else None,
                "self_test": tested
                and {
                    "passed": tested.passed,
                    "same": tested.separation.same,
                    "different": tested.separation.different,
                    "deviations": tested.separation.deviations,
                },
                "warnings": list(made.warnings),
            }
        )
        return
    say(f"{made.model.name}: {', '.join(str(variant.spec) for variant in found)}")
    if made.source:
        say(f"  from        {made.source.file_name}, SHA-256 {made.source.sha256}")
    if made.self_test:
        seen = made.self_test.separation
        say(f"  self-test   same person {seen.same:.2f}, others {seen.different:.2f}: {seen.deviations:.1f} deviations")
    say(f"  terms       {made.model.licence}; {made.model.terms}")


def _precisions(found: list[VariantInfo]) -> list[str]:
    return list(dict.fromkeys(variant.spec.precision for variant in found))


def _size(model: Model, found: list[VariantInfo]) -> int:
    """Bytes on disk; of a model that is not here, of its FP32 weights."""
    files = {variant.sha256: variant.size_bytes for variant in found}
    return sum(files.values()) or 4 * model.parameters


def _encoders(model: Model, found: list[VariantInfo]) -> Iterator[dict[str, Any]]:
    """What `list` says of each encoder of a model; one that can be pulled is one, at fp32."""
    facts = {
        "model": model.name,
        "dimension": model.dimension,
        "crop": model.crop,
        "licence": model.licence,
        "commercial_use": model.commercial_use,
    }
    for variant in found:
        yield _variant(variant) | {"precision": variant.spec.precision, "backend": variant.spec.backend} | facts
    if not found:
        yield {
            "encoder": f"{model.name}:fp32@onnx",
            "installed": False,
            "size_bytes": _size(model, found),
            "precision": "fp32",
            "backend": "onnx",
        } | facts


def _variant(variant: VariantInfo) -> dict[str, Any]:
    return {
        "encoder": str(variant.spec),
        "installed": variant.installed,
        "scheme": variant.scheme,
        "size_bytes": variant.size_bytes,
        "sha256": variant.sha256,
        "fingerprint": variant.fingerprint,
    }


def _facts(model: Model) -> dict[str, Any]:
    checkpoint = model.checkpoint
    return {
        "name": model.name,
        "family": model.family,
        "installed": model.installed,
        "embedded": model.embedded,
        "description": model.description,
        "dimension": model.dimension,
        "parameters": model.parameters,
        "crop": model.crop,
        "crop_size": model.crop_size,
        "normalisation": model.normalisation,
        "threshold": model.threshold,
        "threshold_source": model.threshold_source,
        "licence": model.licence,
        "commercial_use": model.commercial_use,
        "terms": model.terms,
        "source": model.source,
        "url": checkpoint.url if checkpoint else None,
        "sha256": checkpoint.sha256 if checkpoint else None,
    }
