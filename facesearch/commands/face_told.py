"""The answer for one face, of a photo or a clip, told to people and programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from facesearch.commands.common import print_table, say
from facesearch.text.figures import floored

if TYPE_CHECKING:
    from facesearch.gallery.answers import FaceAnswer
    from facesearch.gallery.stranger_rates import StrangerRates


def verdict(answer: FaceAnswer) -> str:
    """A name, "unknown" or "ignored", with the reason where the face is too poor, or another face takes the name."""
    if answer.poor and not answer.ignored:
        from facesearch.pipeline.quality import POOR

        what = "the face is too poor" if answer.quality < POOR else "the face and the photo it is most like are poor"
        return f"unknown, because {what}: quality {floored(answer.quality)} ({', '.join(answer.reasons)})"
    if answer.yields_to is not None:
        return f"unknown, as face {answer.yields_to} is more like {answer.candidates[0].identity}"
    return "ignored" if answer.ignored else answer.name or "unknown"


def show_candidates(answer: FaceAnswer, rates: StrangerRates | None) -> None:
    """The table of candidates, and what the first one's score means, where the face is not too poor to tell; nothing
    where there are none."""
    if not answer.candidates:
        return
    rows = [(each.rank, f"{each.score:.4f}", f"{each.similarity:.4f}", each.identity) for each in answer.candidates]
    print_table(("rank", "score", "similarity", "identity"), rows, right=("rank", "score", "similarity"))
    if rates is not None and not answer.poor and (words := rates.in_words(answer.candidates[0].score)):
        say(words)


def document_of(answer: FaceAnswer, rates: StrangerRates | None) -> dict[str, object]:
    """The answer for `--json`; stranger_rate: in which share of searches a stranger reaches the first score, None where
    the face is too poor to tell."""
    rate = None if rates is None or answer.poor or not answer.candidates else rates.of(answer.candidates[0].score)
    return answer.document() | {"stranger_rate": rate}
