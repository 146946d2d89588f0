"""An open gallery, and clips of video: who is in them, and enrolling from them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from facesearch.faces import Chosen
from facesearch.gallery.answers import ClipAnswer
from facesearch.gallery.correcting import CorrectingGallery

if TYPE_CHECKING:
    from facesearch.gallery.clips import ClipOptions
    from facesearch.gallery.enrolment_report import EnrolmentReport

Frames = Callable[[int], None] | None  # told how many frames of a clip were looked at


class ClipGallery(CorrectingGallery):
    """Questions about clips, and enrolment from them."""

    def enroll_video(
        self,
        identity: str,
        path: str | os.PathLike[str],
        *,
        most: int = 5,
        face: Chosen = None,
        again: bool = False,
        per_second: float = 3.0,
        progress: Frames = None,
    ) -> EnrolmentReport:
        """Add the best frames, at most `most`, of the one person whom a clip of video shows.

        A clip is known by its content, as a photo is: it is skipped if it is enrolled, rejected if it shows somebody
        forgotten, unless `again`, or several people, unless `face` chooses one (by number, 1 being the most prominent,
        or a point). per_second: frames looked at per second. Needs the extra `[video]`.
        """
        from facesearch.gallery.clips import enroll_video  # enrolling photos does not wait for it

        tell = progress or (lambda done: None)
        return enroll_video(
            self.parts, identity, Path(path), most=most, face=face, again=again, per_second=per_second, progress=tell
        )

    def identify_video(
        self, path: str | os.PathLike[str], k: int = 5, options: ClipOptions | None = None, *, progress: Frames = None
    ) -> ClipAnswer:
        """Who is in a clip of video? An answer with times for each face that was followed, most prominent first.

        progress: called with the number of frames looked at. Raises `RejectedImageError` if the clip cannot be used or
        shows no face, `GalleryNotFoundError` for an empty gallery. Needs the extra `[video]`.
        """
        from facesearch.gallery.clips import ClipOptions, identify_video  # a question about photos does not wait for it

        asked, tell = options or ClipOptions(), progress or (lambda done: None)
        return self._answered(lambda parts: identify_video(parts, Path(path), k, asked, tell))
