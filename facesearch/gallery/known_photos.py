"""What a gallery knows of photos before they are encoded: enrolled, moved, set aside, deleted, of people forgotten.

Photos are known by their content. A photo that is enrolled as somebody else is moved where its old file is gone, as
after it was put into the right person's folder; while both files are there, the one enrolled first counts.
"""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from facesearch.photos.photo import Photo, Rejection
from facesearch.store import EnrolledPhoto, GalleryStore, Marked


@dataclass(frozen=True, slots=True)
class Known:
    """A photo that needs no encoding. template_id: under which it is enrolled, None where that is set aside, or
    deleted: thinned out, or taken out of the person's and deleted.

    moved_from: whose it was until now, where it becomes somebody else's. relocated: its file is at another path now.
    enrolled_from: the path that it was enrolled from, where that is another one. others: templates of its other faces.
    """

    template_id: int | None
    moved_from: str | None = None
    relocated: bool = False
    thinned: bool = False
    deleted: bool = False
    others: tuple[int, ...] = ()
    enrolled_from: str = ""


def known_photos(
    store: GalleryStore,
    photos: Sequence[Photo],
    hashes: Sequence[bytes | Rejection],
    *,
    again: bool,
    in_folders: bool,
    pipeline: str = "",
    returning: dict[str, str] | None = None,
) -> list[Known | Rejection | None]:
    """What is known of photos with these hashes, or why they cannot be enrolled; None for those that are new.

    again: photos of people who were forgotten, and photos whose templates were deleted, are enrolled like others, and
    photos that a pipeline with this digest rejected are looked at again. in_folders: whose they are is said by folders.
    returning: takes the paths of photos of people who were forgotten, that are enrolled `again`, and the day.
    """
    readable = [hashed for hashed in hashes if isinstance(hashed, bytes)]
    enrolled = store.templates.enrolled(readable)
    new = [hashed for hashed in readable if hashed not in enrolled]
    aside = store.corrections.aside(new) if new else {}
    forgotten: Mapping[bytes, int] = store.corrections.forgotten(new) if new else {}
    marked = store.corrections.marked(new) if new and not again else Marked({}, {})
    rejected: Mapping[bytes, str] = store.corrections.rejected(new, pipeline) if new and pipeline and not again else {}
    found: list[Known | Rejection | None] = []
    for photo, hashed in zip(photos, hashes, strict=True):
        if isinstance(hashed, Rejection):
            found.append(hashed)
        elif hashed in enrolled:
            found.append(enrolled_as(photo, enrolled[hashed], in_folders=in_folders, content=hashed))
        elif photo.identity in aside.get(hashed, ()):
            found.append(Known(None))
        elif photo.identity in marked.thinned.get(hashed, ()):  # a face of theirs: enrolment as another's clears it
            found.append(Known(None, thinned=True))
        elif hashed in forgotten and not again:  # whoever it was taken out of, as when it had a wrong name
            reason = forgotten_reason(forgotten[hashed])
            found.append(Rejection(str(photo.path), reason, content=hashed, decision=True))
        elif photo.identity in marked.taken.get(hashed, ()):
            found.append(Known(None, deleted=True))
        elif hashed in marked.thinned:
            reason = thinned_reason(marked.thinned[hashed])
            found.append(Rejection(str(photo.path), reason, content=hashed, decision=True))
        elif hashed in rejected:
            found.append(Rejection(str(photo.path), rejected[hashed], content=hashed, before=True, final=True))
        else:
            found.append(None)
            if hashed in forgotten and returning is not None:
                returning[str(photo.path)] = day_of(forgotten[hashed])
    return found


def forgotten_reason(at: int, again: str = "enrols it") -> str:
    """Why a photo of somebody who was forgotten then (epoch seconds) is left out. again: what asking `again` does."""
    return f"it shows somebody who was forgotten on {day_of(at)}; --again {again}"


def thinned_reason(people: Collection[str]) -> str:
    """Why a photo that was thinned out of these people's is not enrolled as somebody else's."""
    return f"the same image was enrolled as {' and '.join(sorted(people))} and thinned out; --again enrols it"


def day_of(at: int) -> str:
    """The day of a time (epoch seconds), where this machine is."""
    return time.strftime("%Y-%m-%d", time.localtime(at))


def enrolled_as(photo: Photo, faces: Sequence[EnrolledPhoto], *, in_folders: bool, content: bytes) -> Known | Rejection:
    """What a photo with that SHA-256 is of which these faces are enrolled already, or would be: with the number 0."""
    path = stored_path(photo)
    there = next((each for each in faces if each.identity == photo.identity), faces[0])
    others = tuple(each.template_id for each in faces if each is not there)
    gone = not photo.in_memory and path != there.path and not os.path.lexists(there.path)
    if there.identity == photo.identity:
        elsewhere = "" if photo.in_memory or path == there.path else there.path
        return Known(there.template_id, relocated=gone, others=others, enrolled_from=elsewhere)
    if in_folders and there.path == path:  # it was given to somebody else by hand, and stays in its folder
        return Known(there.template_id, others=others)
    if gone and not others and Path(there.path).is_absolute():  # it was a file
        return Known(there.template_id, moved_from=there.identity, relocated=True)
    number = there.template_id
    names = " and ".join(each.identity for each in faces)
    move = f"facesearch templates move {number} --to {shlex.quote(photo.identity)}"
    reason = f"the same image is enrolled as {names}; to move it: {move}"
    if not number:
        reason = f"the same image would be enrolled as {names}"
    return Rejection(str(photo.path), reason, content=content, decision=True)


def stored_path(photo: Photo) -> str:
    """The path under which a photo is remembered: that of its file, absolute."""
    return str(photo.path if photo.in_memory else photo.path.absolute())
