"""The part of the page about the hardest errors: names and paths, pictures only where they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from facesearch.evaluation.results import HardError
from facesearch.report.markup import Markup, name_text, tag
from facesearch.report.matrix_cells import MatrixTable
from facesearch.text import figures

SHOWN = 12

Picture = Callable[[str, str], str | None]
"""(data set's folder, path within) -> a data URI, or None where there is no such picture."""


@dataclass(frozen=True, slots=True)
class Hardest:
    """An error and how many rows of the matrix make it, with the highest similarity of these."""

    error: HardError
    rows: int


def hardest(matrix: MatrixTable, count: int = SHOWN) -> list[Hardest]:
    """The errors that most rows make; among these, the most similar wrong answers first."""
    made: dict[tuple[str, str, str], list[HardError]] = {}
    for row in matrix.rows:
        for error in row.hardest:
            made.setdefault((error.probe, error.identity, error.found_identity), []).append(error)
    found = [Hardest(max(errors, key=lambda error: error.similarity), len(errors)) for errors in made.values()]
    return sorted(found, key=lambda each: (-each.rows, -each.error.similarity, each.error.probe))[:count]


def errors_section(matrices: Sequence[MatrixTable], picture: Picture | None) -> Markup | None:
    """For each data set and protocol the hardest errors; `picture` gives data URIs, None: no pictures."""
    parts: list[Markup] = []
    for matrix in matrices:
        errors = hardest(matrix)
        if not errors:
            continue
        folder = matrix.runs[0].dataset.folder
        items = (_item(each, len(matrix.rows), folder, picture) for each in errors)
        parts.append(tag("h3", f"{matrix.protocol.capitalize()}, ", tag("bdi", matrix.dataset)))
        parts.append(tag("ul", *items, class_="errors"))
    if not parts:
        return None
    note = "Wrong answers that most encoders and indexes give, the most similar first. Some are errors of the data set."
    return tag("section", tag("h2", "Hardest errors"), tag("p", note, class_="muted"), *parts, id="errors")


def _item(each: Hardest, rows: int, folder: str, picture: Picture | None) -> Markup:
    error = each.error
    told = [f"similarity {figures.fixed(error.similarity, 3)}"]
    if error.right_similarity is not None:
        told.append(f"to the right person {figures.fixed(error.right_similarity, 3)}")
    told.append(f"{each.rows} of {rows} rows")
    return tag(
        "li",
        _side("probe", error.identity, error.probe, folder, picture),
        _side("taken for", error.found_identity, error.found, folder, picture),
        tag("div", "; ".join(told), class_="how"),
    )


def _side(role: str, identity: str, path: str, folder: str, picture: Picture | None) -> Markup:
    source = picture(folder, path) if picture else None
    image = tag("img", src=source, alt="", width=112) if source else ""
    name, where = tag("b", name_text(identity)), tag("span", name_text(path), class_="path")
    return tag("div", image, tag("span", role, class_="role"), name, where, class_="side")
