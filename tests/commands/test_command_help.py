"""Help, version, completion, and that none of them waits for what only a search needs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from command_line import Command

from facesearch import __version__
from facesearch.commands.app import app
from facesearch.commands.common import bytes_in_words, progress_bar
from facesearch.files.locations import default_gallery, home

ROOT = Path(__file__).parents[2]
HEAVY = ("PIL", "alembic", "faiss", "numpy", "onnx", "onnxruntime", "pandas", "sqlalchemy", "torch", "rich.progress")


def _tree(command: Any, *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from _tree(child, *path, name)


TREE = list(_tree(typer.main.get_command(app)))
LEAVES = [(path, command) for path, command in TREE if not hasattr(command, "commands")]


def _named(tree: list[tuple[tuple[str, ...], Any]]) -> list[Any]:
    return [pytest.param(path, command, id=" ".join(path) or "facesearch") for path, command in tree]


def _paths() -> Iterator[Any]:
    """Commands and their parameters that are paths."""
    for path, command in LEAVES:
        for parameter in command.params:
            if "Path" in str(parameter.type_descriptor.annotation):
                yield pytest.param(path, command, parameter, id=f"{' '.join(path)} {parameter.name}")


@pytest.mark.parametrize(("path", "command", "parameter"), list(_paths()))
def test_an_empty_path_is_not_the_current_folder(
    path: tuple[str, ...],
    command: Any,
    parameter: Any,
    facesearch: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    words = []
    for each in command.params:
        if each is parameter or each.required:
            value = "" if each is parameter else "x"
            words += [value] if each.param_type_name == "argument" else [each.opts[0], value]
    refused = facesearch(*path, *words)
    assert refused.status == 2
    assert "an empty path names nothing" in refused.err
    assert refused.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_commands_take_paths() -> None:
    assert len(list(_paths())) > 50


@pytest.mark.parametrize(("path", "command"), _named(TREE))
def test_everything_has_help(path: tuple[str, ...], command: Any, facesearch: Command) -> None:
    for option in ("--help", "-h"):
        outcome = facesearch(*path, option)
        assert outcome.status == 0
        assert outcome.err == ""
        assert "Usage" in outcome.out
    assert command.help
    assert len(command.help.strip().splitlines()[0]) > 15


@pytest.mark.parametrize(("path", "command"), _named(LEAVES))
def test_every_command_shows_an_example_of_itself(path: tuple[str, ...], command: Any) -> None:
    assert f"facesearch {' '.join(path)}" in command.epilog


@pytest.mark.parametrize(("path", "command"), _named(LEAVES))
def test_every_option_and_argument_is_explained(path: tuple[str, ...], command: Any) -> None:
    for parameter in command.params:
        assert getattr(parameter, "help", None), parameter.name


@pytest.mark.parametrize(("path", "command"), _named(LEAVES))
def test_every_command_can_answer_in_json_and_say_more(path: tuple[str, ...], command: Any) -> None:
    options = {option for parameter in command.params for option in parameter.opts}
    assert {"--json", "--verbose", "-v"} <= options


def test_the_commands_of_the_contract_are_there() -> None:
    commands = {" ".join(path) for path, _ in LEAVES}
    wanted = {f"identities {name}" for name in ("list", "show", "rename", "merge", "forget")}
    wanted |= {f"index {name}" for name in ("show", "build", "check")}
    wanted |= {"enroll", "query", "verify", "encoders list", "encoders show", "gallery info", "demo"}
    assert wanted <= commands


def _loaded(*words: str) -> set[str]:
    """The heavy modules that a command line has loaded when it ends."""
    script = (
        "import sys\n"
        "from facesearch.commands import main\n"
        "sys.argv[0] = 'facesearch'\n"
        "try:\n"
        "    main()\n"
        "except SystemExit:\n"
        f"    print('loaded:', *(name for name in {HEAVY!r} if name in sys.modules))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *words], cwd=ROOT, check=True, capture_output=True, text=True, env=os.environ
    )
    line = done.stdout.splitlines()[-1]
    assert line.startswith("loaded:")
    return set(line.split()[1:])


@pytest.mark.parametrize(
    "words",
    [
        "--help",
        "--version",
        "enroll --help",
        "query --help",
        "index build --help",
        "demo --help",
        "report --help",
        "query",
        "nonsense",
    ],
)
def test_help_and_wrong_usage_load_nothing_heavy(words: str) -> None:
    assert _loaded(*words.split()) == set()


def test_listing_encoders_loads_no_runtime() -> None:
    assert _loaded("encoders", "list") <= {"PIL", "numpy"}


def test_every_way_to_start_the_program_is_the_same_program(tmp_path: Path) -> None:
    wanted = f"facesearch {__version__}\n"
    for start in (["cli.py"], ["-m", "facesearch"]):
        arguments = [sys.executable, *(str(ROOT / word) if word.endswith(".py") else word for word in start)]
        done = subprocess.run([*arguments, "--version"], cwd=ROOT, check=True, capture_output=True, text=True)
        assert (done.stdout, done.stderr) == (wanted, "")


def test_the_gallery_is_where_the_environment_says_else_with_the_users_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACESEARCH_GALLERY", str(tmp_path / "one"))
    assert default_gallery() == tmp_path / "one"
    monkeypatch.delenv("FACESEARCH_GALLERY")
    monkeypatch.setenv("FACESEARCH_HOME", str(tmp_path / "home"))
    assert default_gallery() == tmp_path / "home" / "gallery"
    monkeypatch.delenv("FACESEARCH_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert home().name == "facesearch"
    assert default_gallery() == home() / "gallery"


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KB"), (3 << 20, "3.0 MB"), (5 << 30, "5.0 GB")],
)
def test_sizes_are_told_in_words(count: int, words: str) -> None:
    assert bytes_in_words(count) == words


def test_progress_is_shown_on_a_terminal_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for terminal in (False, True):
        monkeypatch.setattr(sys.stderr, "isatty", lambda terminal=terminal: terminal)
        with progress_bar("enrolling") as progress:
            progress(3, 7)
        out, err = capsys.readouterr()
        assert out == ""
        assert bool(err) == terminal


def _completed(words: str, position: int) -> list[str]:
    environment = {
        **os.environ,
        "_FACESEARCH_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(position),
    }
    script = "import sys; sys.argv = ['facesearch']; from facesearch.commands import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True, env=environment
    )
    assert done.stderr == ""
    return done.stdout.split("\n")[:-1]


def test_the_shell_completes_names_of_identities(gallery: Path, people: list[Path]) -> None:
    names = [person.name for person in people]
    assert _completed("facesearch identities show ", 3) == names
    assert _completed(f"facesearch identities forget {names[0][:3]}", 3) == [
        name for name in names if name.startswith(names[0][:3])
    ]
    assert _completed(f"facesearch identities merge {names[0]} ", 4) == names


def test_the_shell_completes_names_of_the_gallery_on_the_line(gallery: Path, people: list[Path]) -> None:
    elsewhere = gallery.rename(gallery.with_name("elsewhere"))
    assert _completed(f"facesearch identities show --gallery {elsewhere} ", 5) == [person.name for person in people]
    assert [name for name in _completed("facesearch identities show ", 3) if name] == []
    assert not gallery.exists()


def test_the_shell_completes_names_of_models() -> None:
    assert "dlib-resnet" in _completed("facesearch encoders show d", 3)


def test_a_question_loads_no_data_frames(gallery: Path, people: list[Path]) -> None:
    assert not _loaded("query", str(sorted(people[0].iterdir())[0]), "--json") & {"pandas", "torch", "alembic"}
