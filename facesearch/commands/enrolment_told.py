"""What an enrolment did, or would do, told to people and programs."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

from facesearch.commands.common import (
    SHOWN,
    end_with_rejected,
    held_in_words,
    near,
    print_json,
    putting_back,
    say,
    say_listed,
)
from facesearch.errors import UsageError
from facesearch.text.figures import counted, them

if TYPE_CHECKING:
    from facesearch.gallery.enrolment_report import EnrolmentReport
    from facesearch.gallery.suspect import Suspect
    from facesearch.photos.sources import Sources
    from facesearch.store import Counts


def tell(
    report: EnrolmentReport,
    counts: Counts,
    *,
    without: int = 0,
    sync: bool,
    json: bool,
    verbose: bool,
    sources: Sources,
    dry_run: bool = False,
    named: bool = False,
) -> None:
    """Print what was done, or with `dry_run` what would be, and end with its status. named: the photos were, by
    hand. without: how many of the people have no template."""
    left = sync and not dry_run and report.taken_out < len(report.gone)
    if json:
        more: dict[str, object] = {
            "ignored": sources.ignored,
            "left_out": dict(sources.left_out.most_common()),
            "sub_folders": sources.sub_folders,
            "gallery": {"identities": counts.identities, "templates": counts.templates},
            "dry_run": dry_run,
        }
        print_json(report.document() | more)
    else:
        _say_enrolled(report, dry_run=dry_run, verbose=verbose)
        if sources.sub_folders:
            say(f"{counted(sources.sub_folders, 'folder')} inside people's folders: the photos count as those people's")
        if sources.left_out:
            from facesearch.photos.sources import left_out_in_words

            say(left_out_in_words(sources.left_out))
        for folder, name in report.tied.items():
            say(f"folder {folder} is {name}'s, who has been renamed or merged")
        for path, face in report.chosen.items():
            why = "like the person's other photos" if face.alike else "that the photo clearly is of"
            say(f"{'would take' if dry_run else 'took'} face {face.number} of {face.found} in {path}, as the one {why}")
        for path, times in report.times.items():
            say(f"took {path} at {', '.join(f'{time:.1f}' for time in times)} s")
        for moved in report.moved:
            say(f"{'would move' if dry_run else 'moved'} {moved.path} from {moved.before} to {moved.identity}")
        _say_relocated(report, dry_run=dry_run, verbose=verbose)
        say_remarks(report, verbose=verbose)
        _say_gone(report, sync=sync, dry_run=dry_run, verbose=verbose)
        _say_without(report, dry_run=dry_run, verbose=verbose)
        if not dry_run:
            say(f"the gallery holds {held_in_words(counts, without)}")
    if left:
        raise UsageError(
            f"{counted(len(report.gone), 'template')} would be taken out, of {counts.templates}: if that is right, "
            "--sync --yes does it"
        )
    end_with_rejected(report.rejected, verbose=verbose, silent=json, before=named)


def say_remarks(report: EnrolmentReport, *, verbose: bool) -> None:
    """What was enrolled and may be wrong."""
    back = [f"{path}: whom it shows was forgotten on {day}, and is back" for path, day in report.returned.items()]
    say_listed("enrolled again", back, verbose=verbose)
    say_listed("doubtful", [f"{path}: {reason}" for path, reason in report.doubtful.items()], verbose=verbose)
    say_listed("suspect", [str(_near(suspect)) for suspect in report.suspects], verbose=verbose)
    for name, count in report.unknown.items():
        look = f"{counted(count, 'unknown face')} now {'looks' if count == 1 else 'look'}"
        say(f"{look} like {name}: facesearch unknown list --like {shlex.quote(name)}")


def _say_enrolled(report: EnrolmentReport, *, dry_run: bool, verbose: bool) -> None:
    new = f"{counted(report.templates, 'photo')} of {counted(report.identities, 'person', 'people')}"
    aside = f", {report.aside:,} of them taken out or set aside" if report.aside else ""
    aside += f", {report.thinned:,} of them thinned out" if report.thinned else ""
    aside += f", {report.deleted:,} of them taken out for good" if report.deleted else ""
    if dry_run:
        say(f"would enrol {new}, skip {report.skipped:,} enrolled before{aside}")
        several = [
            f"{path}: it shows several faces, and which is taken is seen once others are enrolled"
            for path in report.unsure
        ]
        say_listed("not sure of", several, verbose=verbose)
        return
    rate = f" ({report.images_per_second:.1f} images per second)" if report.templates else ""
    say(f"enrolled {new}{rate}, skipped {report.skipped:,} enrolled before{aside}")


def _say_relocated(report: EnrolmentReport, *, dry_run: bool, verbose: bool) -> None:
    copied = [item for item in report.relocated if item.copied]
    gone = [item for item in report.relocated if not item.copied]
    more = "" if verbose else "; -v lists them"
    if copied:
        are = counted(len(copied), "photo is a copy", "photos are copies")
        say(f"{are} of files that were enrolled: the paths of those are kept{more}")
    if gone:
        have = counted(len(gone), "photo has", "photos have")
        say(f"{have} moved since being enrolled: the new paths {'would be' if dry_run else 'are'} kept{more}")
    for item in report.relocated if verbose else ():
        say(f"  {item.path}: enrolled from {near(item.before)}")


def _near(suspect: Suspect) -> Suspect:
    """With paths as the other lines have them."""
    path, other = suspect.path, suspect.other_path
    paths = tuple(map(near, suspect.paths))
    return replace(suspect, path=path and near(path), other_path=other and near(other), paths=paths)


def _say_gone(report: EnrolmentReport, *, sync: bool, dry_run: bool, verbose: bool) -> None:
    if not report.gone:
        return
    verb = "took out" if report.taken_out else "would take out" if sync else "gone or changed:"
    for info in report.gone if verbose or sync else report.gone[:SHOWN]:
        say(f"{verb} {near(info.path)} of {info.identity} (template {info.id})")
    photos = f"{counted(len(report.gone), 'photo')} that {'was' if len(report.gone) == 1 else 'were'} enrolled"
    if report.taken_out:
        say(f"  {putting_back([info.id for info in report.gone])}")
    elif not sync:
        say(f"{photos} left the folders or changed: --sync takes {them(len(report.gone))} out")


def _say_without(report: EnrolmentReport, *, dry_run: bool, verbose: bool) -> None:
    """Who is in no answer: a folder with photos that were all thinned out may have lost the one that stood for them."""
    names = sorted(report.without)
    for name in names if verbose else names[:SHOWN]:
        thinned = report.without[name]
        verbs = ("would have", "be") if dry_run else ("has", "is")
        say(f"{name} {verbs[0]} no template left, and {verbs[1]} in no answer")
        if thinned:
            say(f"  {counted(thinned, 'photo')} there had been thinned out: enroll --again takes {them(thinned)} back")
    if len(names) > SHOWN and not verbose:
        say(f"{counted(len(names) - SHOWN, 'person', 'people')} more without a template; -v lists them all")
