"""Write docs/reference/commands.md from the commands' own help.

python -m scripts.write_commands
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

from facesearch.commands.app import app

DOCUMENT = Path(__file__).parents[1] / "docs" / "reference" / "commands.md"

_HEAD = """# Commands

Written by `python -m scripts.write_commands` from the commands' own help; `facesearch COMMAND --help` shows the same.

Every command takes `--json` (one JSON document on standard output, everything else on standard error) and `-v`.
Exit status: 0 done, 1 failed, 2 wrong usage, 3 done, but some inputs were rejected.
`$FACESEARCH_GALLERY` names the default gallery, `$FACESEARCH_HOME` the folder for what the program keeps.
"""


def commands() -> Iterator[tuple[str, Any]]:
    """All commands by their full name, in the order of the help."""
    yield from _below("facesearch", typer.main.get_command(app))


def _below(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    children = getattr(command, "commands", None)
    if children is None:
        yield name, command
        return
    for child, inner in children.items():
        yield from _below(f"{name} {child}", inner)


def document() -> str:
    """The text of docs/reference/commands.md."""
    parts = [_HEAD]
    for name, command in commands():
        arguments = [p for p in command.params if p.param_type_name == "argument"]
        options = [p for p in command.params if p.param_type_name == "option" and p.name != "help"]
        usage = " ".join([name, *(p.metavar or p.name.upper() for p in arguments)])
        parts.append(f"## `{usage}`\n\n{_prose(command.help)}\n")
        rows = [f"| {_names(p)} | {_cell(p.help)} | {_default(p)} |" for p in options]
        parts.append("| option | meaning | default |\n|---|---|---|\n" + "\n".join(rows) + "\n")
        if command.epilog:
            parts.append(command.epilog.strip() + "\n")
    return "\n".join(parts)


def _prose(text: str | None) -> str:
    return "\n\n".join(" ".join(block.split()) for block in (text or "").split("\n\n")).strip()


def _cell(text: str | None) -> str:
    return " ".join((text or "").split()).replace("<", "&lt;").replace("|", "\\|")


def _names(parameter: Any) -> str:
    return ", ".join(f"`{name}`" for name in parameter.opts)


def _default(parameter: Any) -> str:
    value = parameter.default
    return "" if value is None or value is False or callable(value) else f"`{value}`"


def main() -> None:
    DOCUMENT.write_text(document(), encoding="utf-8")


if __name__ == "__main__":
    main()
