"""facesearch query of clips of video."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from facesearch.commands.common import frames_bar, say, say_age
from facesearch.commands.face_told import document_of, show_candidates, verdict
from facesearch.errors import RejectedImageError
from facesearch.photos.photo import Rejection
from facesearch.photos.sources import refuse_url
from facesearch.photos.video import MAX_FRAMES
from facesearch.text.figures import counted

if TYPE_CHECKING:
    from facesearch.gallery.answers import ClipAnswer
    from facesearch.gallery.clips import ClipOptions
    from facesearch.gallery.gallery import Gallery
    from facesearch.gallery.stranger_rates import StrangerRates


def ask(
    gallery: Gallery,
    path: Path,
    k: int,
    asked: ClipOptions,
    rejected: list[dict[str, object]],
    rates: StrangerRates | None,
    *,
    json: bool,
) -> dict[str, object]:
    """Ask about one clip and show the answer; returns it for `--json`. `rejected` takes why it cannot be used."""
    refuse_url(path)
    try:
        with frames_bar(f"looking at {path.name}", quiet=json) as progress:
            answer = gallery.identify_video(path, k, asked, progress=progress)
    except RejectedImageError as error:
        rejected.append(Rejection(str(path), str(error)).document())
        return {"path": str(path), "faces_found": 0, "faces": []}
    say_age(answer.as_of)
    if not json:
        _show(path, answer, rates)
    return {
        "path": str(path),
        "faces_found": answer.found,
        "faces": [document_of(track, rates) for track in answer.tracks],
        "frames": answer.frames,
        "seconds": answer.seconds,
        **({} if answer.as_of is None else answer.as_of.document()),
    }


def _show(path: Path, answer: ClipAnswer, rates: StrangerRates | None) -> None:
    say(f"{path}: {counted(answer.found, 'face')} in {counted(answer.frames, 'frame')} of {answer.seconds:.1f} s")
    if answer.frames >= MAX_FRAMES:
        say(f"  only its first {counted(answer.frames, 'frame')} were looked at: fewer with --frames-per-second")
    for track in answer.tracks:
        which = f"face {track.number} of {track.found}, " if track.found > 1 else ""
        seen = f"{track.start:.1f}–{track.end:.1f} s ({counted(len(track.boxes), 'frame')})"
        say(f"  {which}{seen}: {verdict(track)}  (threshold {track.threshold:.3f})")
        show_candidates(track, rates)
