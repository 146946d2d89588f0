"""facesearch encoders"""

from __future__ import annotations

from typing import Annotated

import typer

from facesearch.commands.common import (
    JsonOption,
    VerboseOption,
    bytes_in_words,
    print_json,
    print_table,
    say,
    set_up,
)

app = typer.Typer(help="The models that turn faces into templates.", no_args_is_help=True)


def _model_names(incomplete: str) -> list[str]:
    from facesearch.encoders import MODELS

    return [model.name for model in MODELS if model.name.startswith(incomplete)]


@app.command("list", epilog="**Example**\n\n    facesearch encoders list")
def list_(json: JsonOption = False, verbose: VerboseOption = False) -> None:
    """All models, with licence, dimension and size."""
    set_up(verbose)
    from facesearch.encoders import MODELS, variants

    rows = [(model, variant) for model in MODELS for variant in variants(model)]
    if json:
        print_json(
            {
                "encoders": [
                    {
                        "encoder": str(variant.spec),
                        "model": model.name,
                        "precision": variant.spec.precision,
                        "backend": variant.spec.backend,
                        "installed": variant.installed,
                        "dimension": model.dimension,
                        "crop": model.crop,
                        "licence": model.licence,
                        "commercial_use": model.commercial_use,
                        "size_bytes": variant.size_bytes,
                    }
                    for model, variant in rows
                ]
            }
        )
        return
    shown = [
        (
            str(variant.spec),
            "yes" if variant.installed else "no",
            model.dimension,
            model.crop,
            bytes_in_words(variant.size_bytes),
            model.licence,
            "yes" if model.commercial_use else "no",
        )
        for model, variant in rows
    ]
    print_table(("encoder", "installed", "dimension", "crop", "size", "licence", "commercial use"), shown)


@app.command(epilog="**Example**\n\n    facesearch encoders show dlib-resnet")
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", autocompletion=_model_names, help="Name of a model.")],
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """One model: what it is, where it comes from, what may be done with it."""
    set_up(verbose)
    from facesearch.encoders import EncoderSpec, find_model, variants

    model = find_model(EncoderSpec.parse(name).model)
    if json:
        print_json(
            {
                "name": model.name,
                "description": model.description,
                "dimension": model.dimension,
                "parameters": model.parameters,
                "crop": model.crop,
                "crop_size": model.crop_size,
                "normalisation": model.normalisation,
                "threshold": model.threshold,
                "licence": model.licence,
                "commercial_use": model.commercial_use,
                "source": model.source,
                "variants": [
                    {
                        "encoder": str(variant.spec),
                        "installed": variant.installed,
                        "size_bytes": variant.size_bytes,
                        "sha256": variant.sha256,
                        "fingerprint": variant.fingerprint,
                    }
                    for variant in variants(model)
                ],
            }
        )
        return
    say(f"{model.name}: {model.description}")
    say(f"  dimension   {model.dimension}, {model.parameters:,} parameters")
    say(f"  crop        {model.crop}, {model.crop_size}×{model.crop_size}")
    say(f"  input       {model.normalisation}")
    say(f"  threshold   {model.threshold:.3f}")
    say(f"  licence     {model.licence}; commercial use {'allowed' if model.commercial_use else 'not allowed'}")
    say(f"  source      {model.source}")
    for variant in variants(model):
        say(f"  {variant.spec}  {bytes_in_words(variant.size_bytes)}, SHA-256 {variant.sha256[:16]}…")
