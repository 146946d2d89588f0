"""facesearch gallery"""

from __future__ import annotations

import typer

from facesearch.commands.common import (
    GalleryOption,
    JsonOption,
    VerboseOption,
    bytes_in_words,
    open_gallery,
    print_json,
    say,
    set_up,
)

app = typer.Typer(help="The gallery as a whole.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """The gallery as a whole."""


@app.command(epilog="**Example**\n\n    facesearch gallery info --json")
def info(gallery: GalleryOption = None, json: JsonOption = False, verbose: VerboseOption = False) -> None:
    """Sizes and state: encoder, index kind, people, templates, bytes on disk."""
    set_up(verbose)
    with open_gallery(gallery, create=False) as opened:
        state = opened.info()
    if json:
        print_json(
            {
                "encoder": state.encoder,
                "index": state.index,
                "codec": state.codec,
                "threshold": state.threshold,
                "identities": state.identities,
                "templates": state.templates,
                "database_bytes": state.database_bytes,
                "index_bytes": state.index_bytes,
            }
        )
        return
    say(f"encoder    {state.encoder}")
    say(f"index      {state.index}, templates stored as {state.codec}")
    say(f"threshold  {state.threshold:.3f}")
    say(f"people     {state.identities}, {state.templates} templates")
    say(f"on disk    database {bytes_in_words(state.database_bytes)}, index {bytes_in_words(state.index_bytes)}")
