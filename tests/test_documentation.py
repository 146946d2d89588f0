"""What README and docs say is true: commands run and print what is shown, lists are complete, figures are measured."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.figures import CHARTS, DOCUMENTS, TABLES, filled
from facesearch.workshop.sample_people import draw_people, write_photos
from scripts.write_commands import DOCUMENT, commands, document

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def console_blocks(text: str) -> Iterator[list[tuple[str, str]]]:
    """For each console block its commands with the output shown for them."""
    for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
        pairs = []
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            pairs.append((command, output))
        yield pairs


def without_numbers(text: str) -> list[str]:
    return [re.sub(r"\d+", "#", re.sub(r"\d+\.\d+", "#", line.strip())) for line in text.strip().splitlines()]


def test_the_tour_in_the_readme_prints_what_it_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    people = draw_people(100)
    for path in write_photos(tmp_path / "facesearch-demo" / "people", people, 4):
        if path.stem.endswith("0004"):  # as the demo holds them back
            target = tmp_path / "facesearch-demo" / "probes" / path.parent.name
            target.mkdir(parents=True)
            path.rename(target / path.name)
    monkeypatch.setenv("FACESEARCH_GALLERY", str(tmp_path / "gallery"))
    (tour,) = console_blocks(README)
    assert len(tour) >= 5
    for command, shown in tour:
        program, *arguments = shlex.split(command)
        assert program == "facesearch"
        done = subprocess.run(
            [sys.executable, "-m", "facesearch", *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert without_numbers(done.stdout) == without_numbers(shown), command


def test_the_list_of_commands_is_as_the_help_says() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == document(), "run: python -m scripts.write_commands"


@pytest.mark.parametrize("name, command", list(commands()), ids=lambda value: str(value).replace(" ", "-"))
def test_every_command_has_help_an_example_and_a_meaning_for_every_option(name: str, command: object) -> None:
    assert len((getattr(command, "help", None) or "").split()) >= 3, name
    assert name.split()[1] in (getattr(command, "epilog", None) or ""), f"{name} has no example"
    for parameter in command.params:  # type: ignore[attr-defined]
        assert parameter.help, f"{name}: {parameter.name} has no help"


def test_every_link_between_documents_leads_somewhere() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), ROOT / "benchmarks" / "README.md"]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_commands_look_for_faces_of_the_same_size_as_the_library() -> None:
    from facesearch.faces import DEFAULT_MIN_FACE

    defaults = {p.default for _, command in commands() for p in command.params if p.name == "min_face"}
    assert defaults == {DEFAULT_MIN_FACE}


def test_the_tables_of_figures_are_those_of_the_committed_results() -> None:
    texts = {path: path.read_text(encoding="utf-8") for path in DOCUMENTS}
    assert sum(text.count("<!-- figures ") for text in texts.values()) == len(TABLES)
    for name, text in texts.items():
        assert filled(text) == text, f"{name.name}: run python -m benchmarks.figures"


def test_the_charts_are_drawn_from_the_committed_results() -> None:
    for path, chart in CHARTS.items():
        assert path.read_text(encoding="utf-8") == chart(), f"{path.name}: run python -m benchmarks.figures"
