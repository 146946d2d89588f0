"""The parts of the page about what quantization keeps and saves: cosine fidelity, bytes on disk."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from facesearch.encoders.spec import EncoderSpec
from facesearch.evaluation.results import Row, TemplateFidelity
from facesearch.report.axes import linear_axis
from facesearch.report.bars import Bar, Line, histogram, stacked_bars
from facesearch.report.frame import DESK, PHONE, Size
from facesearch.report.markup import Markup, joined, tag
from facesearch.text import figures

_SMALL = Size("panel", 328, 220)
_PANELS = 24
_PIECES = ("database", "index file", "encoder file", "templates")


def fidelity_section(rows: Sequence[Row]) -> Markup | None:
    """Histograms of cosines: each encoder below FP32, each kind of index that does not store exactly."""
    panels = list(_panels(rows))
    if not panels:
        return None
    note = "Cosine of a template to what it was quantized from: 1 is the same direction. The line marks the mean."
    parts = [
        tag("h2", "Cosine fidelity"),
        tag("p", note, class_="muted"),
        tag("div", *panels[:_PANELS], class_="figures small"),
    ]
    if len(panels) > _PANELS:
        parts.append(tag("p", f"{len(panels) - _PANELS} more are in the tables.", class_="muted"))
    return tag("section", *parts, id="fidelity")


def _panels(rows: Sequence[Row]) -> Iterable[Markup]:
    for name, fidelity in distinct(rows).items():
        shown = [place for place, count in enumerate(fidelity.histogram.counts) if count]
        if not shown or fidelity.p1 > 1 - 1e-6:
            continue  # exact: nothing to see
        edges = fidelity.histogram.edges[shown[0] : shown[-1] + 2]
        counts = fidelity.histogram.counts[shown[0] : shown[-1] + 1]
        x = linear_axis(edges, title="cosine", wanted=3, least=1e-6, bounds=(-1.0, 1.0))
        told = f"mean {figures.fixed(fidelity.mean, 4)}, 99 of 100 above {figures.fixed(fidelity.p1, 4)}"
        drawn = histogram(edges, counts, x, [Line(fidelity.mean, "mean")], _SMALL, f"Histogram of {name}: {told}.")
        yield tag("figure", tag("figcaption", tag("h3", name), tag("p", told)), drawn)


def distinct(rows: Sequence[Row]) -> dict[str, TemplateFidelity]:
    """The histograms by name: an encoder's once for all kinds, a kind's once for all encoders of a model."""
    found: dict[str, TemplateFidelity] = {}
    for row in rows:
        if row.encoder_fidelity:
            found.setdefault(f"encoder {row.encoder}", row.encoder_fidelity)
    for row in rows:
        if row.codec_fidelity:
            found.setdefault(f"{row.index} of {EncoderSpec.parse(row.encoder).model}", row.codec_fidelity)
    return found


def storage_section(rows: Sequence[Row]) -> Markup | None:
    """Bars of what lies on disk: database, index and encoder; a figure for each model, all on one scale."""
    chosen = _rows_to_draw(rows)
    if not chosen:
        return None
    models: dict[str, list[Bar]] = {}
    for row in chosen:
        models.setdefault(EncoderSpec.parse(row.encoder).model, []).append(_bar(row))
    pieces = [piece for bars in models.values() for bar in bars for piece in bar.pieces]
    longest = max(sum(piece[0] for piece in bar.pieces) for bars in models.values() for bar in bars) or 1.0
    key = joined(tag("li", _swatch(colour), _PIECES[colour]) for colour in sorted({piece[1] for piece in pieces}))
    note = "What lies on disk for the gallery of the data set, with the encoder that it needs; all on one scale."
    figures = (_figure(model, bars, longest) for model, bars in models.items())
    return tag(
        "section",
        tag("h2", "Storage"),
        tag("p", note, class_="muted"),
        tag("ul", key, class_="key"),
        tag("div", *figures, class_="figures"),
        id="storage",
    )


def _figure(model: str, bars: Sequence[Bar], longest: float) -> Markup:
    description = f"Bytes on disk with {model}: {len(bars)} combinations of encoder and index."
    drawn = (stacked_bars(bars, longest, size, description) for size in (PHONE, DESK))
    return tag("figure", tag("figcaption", tag("h3", model)), *drawn)


def _swatch(colour: int) -> Markup:
    square = tag("rect", class_=f"p{colour}", x=-6, y=-6, width=12, height=12, rx=2)
    return tag("svg", square, viewBox="-8 -8 16 16", aria_hidden="true")


def _rows_to_draw(rows: Sequence[Row]) -> list[Row]:
    """Every kind of index for the first encoder of a model, and every other encoder with the first kind."""
    first_encoder: dict[str, str] = {}
    drawn: dict[tuple[str, str], Row] = {}
    for row in rows:
        first = first_encoder.setdefault(EncoderSpec.parse(row.encoder).model, row.encoder)
        if row.encoder == first or row.index == rows[0].index:
            drawn.setdefault((row.encoder, row.index), row)
    return list(drawn.values())


def _bar(row: Row) -> Bar:
    if row.database_bytes is not None and row.index_bytes is not None:
        pieces = [(row.database_bytes, 0), (row.index_bytes, 1)]
    else:
        pieces = [(round(row.bytes_per_template * row.gallery_size), 3)]
    pieces.append((row.encoder_bytes, 2))
    total = sum(amount for amount, _ in pieces)
    told = tuple(
        (float(amount), colour, f"{_PIECES[colour]}: {figures.bytes_in_words(amount)}")
        for amount, colour in pieces
        if amount
    )
    name = row.encoder.partition(":")[2]
    return Bar(f"{row.index}, {name}", told, figures.bytes_in_words(total))
