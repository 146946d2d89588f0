"""The command line: parse, call, print. Nothing heavy is imported before a command runs."""

from __future__ import annotations


def main() -> None:
    """Run the command line; errors end as one line on standard error and an exit status."""
    from facesearch.commands.app import run

    run()
