"""The report as one HTML file: everything inline, nothing asked of any network, safe whatever names it shows."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib import resources

from facesearch import __version__
from facesearch.evaluation.results import Run
from facesearch.report.errors_section import Picture, errors_section
from facesearch.report.groups_section import groups_section
from facesearch.report.markup import Markup, joined, name_text, tag, unbroken
from facesearch.report.matrix_cells import MatrixTable, matrices
from facesearch.report.matrix_section import matrix_section
from facesearch.report.storage_section import fidelity_section, storage_section
from facesearch.report.summary import summary
from facesearch.text import figures
from facesearch.text.figures import counted


def html_page(runs: Sequence[Run], *, picture: Picture | None = None) -> str:
    """The page of one or more runs; `picture` (folder, path -> data URI) puts photos beside the hardest errors."""
    style, script = _text("page.css"), _text("page.js")
    found = matrices(runs)
    rows = [row for matrix in found for row in matrix.rows]
    sections = [
        _short(found),
        *(section for number, matrix in enumerate(found) for section in _of_matrix(matrix, number)),
        fidelity_section(rows),
        storage_section(rows),
        errors_section(found, picture),
        _provenance(runs),
    ]
    title = f"Face search report: {', '.join(dict.fromkeys(matrix.dataset for matrix in found))}"
    policy = [
        "default-src 'none'",
        f"style-src '{_hash(style)}'",
        f"script-src '{_hash(script)}'",
        *(["img-src data:"] if picture else []),
        "base-uri 'none'",
        "form-action 'none'",
    ]
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content="; ".join(policy)),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="generator", content=f"facesearch {__version__}"),
        tag("title", title),
        tag("style", style),
    )
    shown = [section for section in sections if section]
    main = tag("main", _header(runs, found), *shown, class_="page")
    body = tag("body", main, tag("script", script))
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


def _of_matrix(matrix: MatrixTable, number: int) -> tuple[Markup | None, ...]:
    return matrix_section(matrix, number), groups_section(matrix)


def _text(name: str) -> Markup:
    """A file of the package; it is part of the program, and put in as it is."""
    return Markup(resources.files(__package__).joinpath(name).read_text(encoding="utf-8"))


def _hash(text: str) -> str:
    """As Content Security Policy 3 names inline code that may run."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def _header(runs: Sequence[Run], found: Sequence[MatrixTable]) -> Markup:
    names = joined((tag("bdi", name) for name in dict.fromkeys(matrix.dataset for matrix in found)), ", ")
    dates = sorted({run.created_at[:10] for run in runs})
    when = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    links = [(f"m{number}", f"{matrix.protocol.capitalize()}") for number, matrix in enumerate(found)]
    if len({matrix.dataset for matrix in found}) > 1:
        links = [(f"m{number}", f"{matrix.dataset}, {matrix.protocol}") for number, matrix in enumerate(found)]
    links.append(("provenance", "Provenance"))
    return tag(
        "header",
        tag("p", "Face search report", class_="over"),
        tag("h1", names),
        tag("p", f"What encoders and indexes cost, and what they lose. Measured {when}.", class_="facts"),
        tag("nav", *(tag("a", text, href=f"#{target}") for target, text in links), aria_label="Parts of this page"),
    )


def _short(found: Sequence[MatrixTable]) -> Markup:
    parts = []
    for matrix in found:
        title = matrix.protocol.capitalize() if len(found) > 1 else "In short"
        items = (tag("li", unbroken(sentence)) for sentence in summary(matrix))
        parts.append(tag("div", tag("h2", title), tag("ul", *items)))
    return tag("section", *parts, class_="short" if len(parts) > 1 else "short one", aria_label="In short")


def _provenance(runs: Sequence[Run]) -> Markup:
    parts = (tag("div", tag("h3", f"Run {run.id}"), _facts(run), _failures(run)) for run in runs)
    return tag("section", tag("h2", "Provenance"), tag("div", *parts, class_="runs"), id="provenance")


def _facts(run: Run) -> Markup:
    data = run.dataset
    people = counted(data.identities, "person", "people")
    contents = f"{counted(data.images, 'image')} of {people}, {data.single:,} of them with one image"
    problems = f"{data.duplicates:,} duplicates, {data.unreadable:,} unreadable"
    facts: list[tuple[str, object]] = [
        ("command", tag("code", run.command)),
        ("measured", f"{run.created_at.replace('T', ' ').replace('+00:00', ' UTC')}, in {run.seconds:,.0f} s"),
        ("data set", joined((name_text(data.name), f" ({data.layout}): {contents}; {problems}"))),
        ("SHA-256 of it", tag("code", data.sha256)),
        ("machine", f"{run.machine.cpu}, {run.machine.cores} cores"),
        ("versions", ", ".join(f"{each.name} {each.version}" for each in run.versions)),
        ("seed", str(run.seed)),
    ]
    learnt = dict.fromkeys(f"{row.index}: {row.codec_training}" for row in run.rows if row.codec_training)
    if learnt:
        facts.append(("codecs learnt from", "; ".join(learnt)))
    return tag("dl", *(joined((tag("dt", name), tag("dd", value))) for name, value in facts))


def _failures(run: Run) -> Markup:
    if not run.failures:
        return Markup("")
    items = (tag("li", tag("span", name_text(each.path), class_="path"), f" {each.reason}") for each in run.failures)
    return tag(
        "details", tag("summary", f"{figures.counted(len(run.failures), 'photo')} gave no template"), tag("ul", *items)
    )
