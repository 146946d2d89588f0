"""facesearch identities"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from facesearch.commands.common import (
    GalleryOption,
    JsonOption,
    SearchOption,
    VerboseOption,
    moving,
    on_a_terminal,
    open_gallery,
    print_json,
    print_table,
    say,
    set_up,
    warn_unlike,
)
from facesearch.errors import UsageError
from facesearch.text.figures import counted, floored

if TYPE_CHECKING:
    from facesearch.gallery.answers import Receipt
    from facesearch.store import IdentitySummary

app = typer.Typer(help="See, tag, rename, merge, ignore and forget the people enrolled.", no_args_is_help=True)


def _names(context: typer.Context, incomplete: str) -> list[str]:
    """Identities for shell completion; a gallery that cannot be opened completes nothing."""
    try:
        with open_gallery(context.params.get("gallery"), create=False) as gallery:
            return [person.name for person in gallery.identities() if person.name.startswith(incomplete)]
    except Exception:  # a shell that completes has no place for an error
        return []


NameArgument = Annotated[str, typer.Argument(metavar="NAME", autocompletion=_names, help="Name of an identity.")]
SourceArgument = Annotated[str, typer.Argument(metavar="A", autocompletion=_names, help="Name of an identity.")]


def _day(epoch_seconds: int) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(epoch_seconds))


def _second(epoch_seconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(epoch_seconds))


def _marks(person: IdentitySummary) -> str:
    """Tags of a person, and that they are ignored."""
    marks = list(person.attributes.tags)
    return ", ".join([*marks, "(ignored)"] if person.attributes.ignored else marks)


@app.command("list", epilog="**Example**\n\n    facesearch identities list --json")
def list_(gallery: GalleryOption = None, json: JsonOption = False, verbose: VerboseOption = False) -> None:
    """Everybody enrolled, with the number of templates."""
    set_up(verbose)
    with open_gallery(gallery, create=False) as opened:
        people = opened.identities()
    if json:
        print_json({"identities": [person.document() for person in people]})
        return
    columns: tuple[str, ...] = ("identity", "templates", "since")
    rows_shown: list[tuple[object, ...]] = [(each.name, each.templates, _day(each.created_at)) for each in people]
    if any(person.attributes.tags or person.attributes.ignored for person in people):
        columns += ("tags",)
        rows_shown = [(*row, _marks(person)) for row, person in zip(rows_shown, people, strict=True)]
    print_table(columns, rows_shown, right=("templates",))
    say(counted(len(people), "person", "people"))


@app.command(epilog='**Example**\n\n    facesearch identities show "Ada Lovelace"')
def show(
    name: NameArgument, gallery: GalleryOption = None, json: JsonOption = False, verbose: VerboseOption = False
) -> None:
    """One identity and the photos it was enrolled from."""
    set_up(verbose)
    with open_gallery(gallery, create=False) as opened:
        person, templates = opened.identity(name)
        thinned = opened.thinned(name)
    if json:
        found = [item.document() for item in templates]
        known = person.attributes.document()
        print_json({"name": person.name, "since": person.created_at, **known, "templates": found, "thinned": thinned})
        return
    say(f"{person.name}: {counted(person.templates, 'template')}, since {_day(person.created_at)}")
    if marks := _marks(person):
        say(f"  tags: {marks}")
    if person.attributes.note:
        say(f"  note: {person.attributes.note}")
    if thinned:
        say(f"  thinned: {counted(thinned, 'photo')} more whose templates gallery thin deleted")
    rows = [(item.id, floored(item.quality), item.precision, item.state_in_words, item.path) for item in templates]
    print_table(("template", "quality", "precision", "state", "photo"), rows, right=("template", "quality"))


@app.command(
    "set", epilog='**Example**\n\n    facesearch identities set "Ada Lovelace" --tag staff --note "until June"'
)
def set_(
    name: NameArgument,
    tag: Annotated[list[str] | None, typer.Option("--tag", help="A tag to be added; repeatable.")] = None,
    untag: Annotated[list[str] | None, typer.Option("--untag", help="A tag to be taken away; repeatable.")] = None,
    note: Annotated[
        str | None,
        typer.Option("--note", help="What to note of the person; an empty one is removed.", show_default=False),
    ] = None,
    gallery: GalleryOption = None,
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Give an identity tags, take others away, and note something of them.

    facesearch query --only-tag searches among the people with a tag alone.
    """
    set_up(verbose)
    if tag is None and untag is None and note is None:
        raise UsageError("say what to set: --tag, --untag or --note")
    with open_gallery(gallery, create=False) as opened:
        known = opened.set_attributes(name, tags=tag or [], untag=untag or [], note=note)
    if json:
        print_json({"name": name, **known.document()})
    else:
        say(f"{name}: tags {', '.join(known.tags) or 'none'}" + (f"; note: {known.note}" if known.note else ""))


@app.command(epilog='**Example**\n\n    facesearch identities ignore "Ada Lovelace"')
def ignore(
    name: NameArgument,
    off: Annotated[bool, typer.Option("--off", help="Name them again.")] = False,
    gallery: GalleryOption = None,
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Never name an identity: a face that is theirs is answered as ignored, and they are no candidate for others."""
    set_up(verbose)
    with open_gallery(gallery, create=False) as opened:
        opened.ignore(name, not off)
    if json:
        print_json({"name": name, "ignored": not off})
    else:
        say(f"{name} is named again" if off else f"{name} is ignored from now on")


@app.command(epilog='**Example**\n\n    facesearch identities rename "A. Lovelace" "Ada Lovelace"')
def rename(
    a: SourceArgument,
    b: Annotated[str, typer.Argument(metavar="B", help="The new name.")],
    gallery: GalleryOption = None,
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Give an identity another name."""
    set_up(verbose)
    with open_gallery(gallery, create=False) as opened:
        opened.rename(a, b)
        paths = sum(a in info.path for info in opened.templates(b))
    if json:
        print_json({"renamed": a, "to": b, "paths_with_old_name": paths})
    else:
        say(f"renamed {a} to {b}")
        if paths:
            say(f"  {counted(paths, 'photo keeps its path', 'photos keep their paths')}, in which the old name stands")


@app.command(epilog='**Example**\n\n    facesearch identities merge "Ada L." "A. Lovelace" "Ada Lovelace"')
def merge(
    names: Annotated[
        list[str],
        typer.Argument(metavar="A... B", autocompletion=_names, help="Names of identities; the last one stays."),
    ],
    gallery: GalleryOption = None,
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """A and B are the same person: give all templates of A (and of others named) to B.

    The name B stays. What is printed undoes it, and a warning says where they do not look alike.
    """
    set_up(verbose)
    if len(names) < 2:
        raise UsageError("name two people at least: facesearch identities merge A B")
    *given, target = names
    with open_gallery(gallery, create=False) as opened:
        before = {source: [info.id for info in opened.templates(source)] for source in given}
        moved = opened.merge(*given, into=target)
        unlike = {source: opened.unlike(ids, target) for source, ids in before.items()}
    if json:
        document = {"merged": given[0] if len(given) == 1 else given, "into": target, "templates": moved}
        print_json(document | {"template_ids": before})
    else:
        say(f"merged {', '.join(given)} into {target}: {counted(moved, 'template')} moved")
        for source, ids in before.items():
            if ids:
                say(f"  {moving(ids, source)} undoes it" + (f" for {source}" if len(before) > 1 else ""))
    for source, found in unlike.items():
        if found:
            warn_unlike(f"{source} and {target}", found, moving(before[source], source))


@app.command(epilog='**Examples**\n\n    facesearch identities forget "Ada Lovelace"')
def forget(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", autocompletion=_names, help="Names of identities.")],
    no_record: Annotated[
        bool,
        typer.Option("--no-record", help="Keep no keyed hashes of the photos, by which enroll knows them again."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask on a terminal.")] = False,
    search: SearchOption = "projection",
    gallery: GalleryOption = None,
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Delete people for good, all of those named or none, and print a receipt for each.

    They are out of the answers at once; templates and image records are overwritten in the database, and the index
    files that held them are written anew. What evaluations kept of their photos goes from the caches and stored runs,
    known by the content of the photos. Photos and backups are yours to delete. Of each photo a keyed hash stays, so
    that enroll says when it comes back, instead of enrolling it.
    """
    set_up(verbose)
    with open_gallery(gallery, create=False, search=search) as opened:
        if not yes and on_a_terminal():
            templates = counted(sum(len(opened.identity(name)[1]) for name in dict.fromkeys(names)), "template")
            if not typer.confirm(f"Forget {', '.join(names)} for good, with {templates}?", err=True):
                raise typer.Exit(1)
        receipts = opened.forget_all(names, remember=not no_record)
    if json:
        documents = [receipt.document() for receipt in receipts]
        print_json(documents[0] if len(documents) == 1 else {"receipts": documents})
        return
    for receipt in receipts:
        _show_receipt(receipt)
    say("  photos on disk and backups are not touched: delete them yourself")


def _show_purged(receipt: Receipt) -> None:
    purged = receipt.purged
    if purged.rows:
        say(f"  {counted(purged.rows, 'row')} of their photos taken out of the caches of evaluations")
    if purged.derived:
        say(f"  {counted(purged.derived, 'file')} of results and codes in the caches deleted: they do not say of whom")
    if purged.damaged:
        say(f"  {counted(purged.damaged, 'damaged or unfinished file')} in the caches deleted")
    if purged.errors:
        say(f"  {counted(purged.errors, 'entry', 'entries')} that named them taken out of stored runs; figures stay")
    for path in purged.left:
        say(f"  {path} cannot be read or changed, and may hold them: delete it yourself")
    if purged.at_work:
        say("  an evaluation is running and may keep them again: when it has ended, facesearch cache clear --all")


def _show_kept(images: int, where: str) -> None:
    if images == 1:
        say(f"  1 image record stays, as other faces of this photo are {where}; its path stays, too")
    elif images:
        say(f"  {images:,} image records stay, as other faces of these photos are {where}; their paths stay, too")


def _show_receipt(receipt: Receipt) -> None:
    say(f"forgot {receipt.identity} on {_second(receipt.forgotten_at)}")
    templates = counted(receipt.templates + receipt.out_of_use, "template")
    aside = f" ({receipt.out_of_use:,} set aside or taken out)" if receipt.out_of_use else ""
    deleted = f"{templates}{aside} and {counted(receipt.images, 'image record')}"
    say(f"  {deleted} deleted {'from' if receipt.on_server else 'and overwritten in'} the database")
    _show_kept(receipt.images_in_inbox, "in the inbox")
    _show_kept(receipt.images_kept - receipt.images_in_inbox, "enrolled or set aside")
    if receipt.negatives:
        say(f"  {counted(receipt.negatives, 'negative')} of theirs, or of their photos, deleted, too")
    if receipt.of_others:
        theirs = counted(receipt.of_others, "template")
        say(f"  {theirs} of the same face, set aside or taken out of other people's, deleted, too")
    if receipt.index_rewritten:
        say("  index file written anew without them")
    if receipt.published:
        files = counted(receipt.published, "index file")
        say(f"  {files} published in the database deleted: facesearch index publish puts new ones there")
    if receipt.published_left:
        files = counted(receipt.published_left, "published index file")
        say(f"  {files} may hold them still: facesearch index publish --withdraw")
    if receipt.out_of_inbox:
        say(f"  {counted(receipt.out_of_inbox, 'unknown face')} like theirs deleted from the inbox")
    if receipt.out_of_cohort:
        say(f"  {counted(receipt.out_of_cohort, 'face')} like theirs taken out of the cohort: calibrate again")
    _show_purged(receipt)
    if receipt.learnt_from_people:
        say("  an earlier version learnt the index from people in the gallery; it keeps traces: facesearch index build")
    if receipt.on_server:
        say("  the server's write-ahead log, its replicas and dumps are not touched: its administrator knows how long")
        say("  they stay; other machines take them out of files of their own when they next use the gallery")
    if not receipt.wiped and receipt.on_server:
        say("  old pages stay until the owner of the tables runs facesearch gallery compact")
    elif not receipt.wiped:
        say("  another process is reading, or the disk is full: old pages stay until facesearch gallery compact")
    for folder in receipt.unfinished:
        say(f"  {folder} may hold them: a backup is being made there, or was cut off; delete it with what comes of it")
    if receipt.backups:
        times = ", ".join(dict.fromkeys(map(_second, receipt.backups)))
        say(f"  backups that still hold them were made on {times}: delete them, or make new ones in their place")
    if receipt.exports:
        times = ", ".join(dict.fromkeys(map(_second, receipt.exports)))
        say(f"  exports that may hold their templates were made on {times}: delete those files")
