"""facesearch index serve"""

from __future__ import annotations

import signal
import sys
import threading
from types import FrameType
from typing import Annotated

import typer

from facesearch.commands.common import GalleryOption, JsonOption, VerboseOption, print_json, set_up
from facesearch.commands.lines import tell

EXAMPLES = """
**Example**

    FACESEARCH_SHARD_SECRET_FILE=shard.secret facesearch index serve --shard 2/4 --listen 127.0.0.1:7412
"""


def serve(
    shard: Annotated[
        str,
        typer.Option(
            "--shard", help="Which part of the people, and of how many: 2/4.", metavar="I/N", show_default=False
        ),
    ],
    listen: Annotated[
        str,
        typer.Option(
            "--listen",
            help="Address of this machine to listen on; port 0: one that is free. What is sent is not encrypted.",
            metavar="HOST:PORT",
        ),
    ] = "127.0.0.1:0",
    threads: Annotated[
        int, typer.Option("--threads", help="Threads that one search may take; 0: all cores.", min=0, max=1024)
    ] = 0,
    gallery: GalleryOption = None,
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Answer for one shard of a gallery on a server, until Ctrl-C or SIGTERM; query --shards asks all of them.

    The people are shared out by a hash of their ids. This machine keeps index files of its shard alone, and follows
    the gallery's changes. Servers and who asks share a secret of at least 16 characters, in a file that
    $FACESEARCH_SHARD_SECRET_FILE names, or in $FACESEARCH_SHARD_SECRET.
    """
    set_up(verbose)
    from facesearch.files.locations import default_gallery
    from facesearch.gallery.shard_server import serving
    from facesearch.gallery.shard_wire import HostPort
    from facesearch.store import Shard

    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()

    part, address = Shard.parse(shard), HostPort.parse(listen, any_port=True)
    with serving(gallery or default_gallery(), part, address, threads=threads) as server:
        before = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            tell(f"listening on {server.listening} for shard {part}")
            if json:
                print_json({"listening": str(server.listening), "shard": str(part)}, indent=None)
                sys.stdout.flush()
            while not stop.wait(1.0):  # a wait without an end is not left by signals everywhere
                pass
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
