"""Identities: listing, renaming, merging and forgetting."""

from __future__ import annotations

import json

import pytest

from facesearch.errors import IdentityExistsError, UnknownIdentityError, UsageError
from facesearch.store import GalleryStore

from .samples import ENCODER, add, template


def test_identities_are_listed_by_name_with_what_is_stored_of_them(store: GalleryStore) -> None:
    add(store, "Zoe", "z1")
    add(store, "Ann", "a1", "a2")
    listed = store.identities.all()
    assert [(i.name, i.templates, i.images) for i in listed] == [("Ann", 2, 2), ("Zoe", 1, 1)]
    assert store.identities.find("Ann") == listed[0]
    assert listed[0].created_at > 1_600_000_000


def test_names_are_told_apart_exactly(store: GalleryStore) -> None:
    add(store, "ann", "1")
    add(store, "Ann", "2")
    add(store, "Ánn", "3")
    assert store.templates.counts().identities == 3


def test_an_unknown_name_is_answered_with_names_that_look_alike(store: GalleryStore) -> None:
    for number, name in enumerate(["George Bush", "George Busch", "George Brush", "George Bushy", "Zoe"]):
        add(store, name, str(number))
    with pytest.raises(UnknownIdentityError) as caught:
        store.identities.find("george bush")
    message = str(caught.value)
    assert "did you mean 'George Bush'" in message
    assert message.count("George") == 3
    assert "Zoe" not in message
    assert "\n" not in message


def test_an_unknown_name_that_resembles_nobody_gets_no_suggestion(store: GalleryStore) -> None:
    add(store, "Ann", "1")
    with pytest.raises(UnknownIdentityError, match=r"^no identity 'Xyzzy' in the gallery$"):
        store.identities.forget(["Xyzzy"])


@pytest.mark.parametrize("name", ["", "   ", "two\nlines", "zero\0byte", "half a pair \udcff", "a\u2028b"])
def test_names_that_cannot_be_shown_are_refused(store: GalleryStore, name: str) -> None:
    with pytest.raises(UsageError):
        store.templates.add([template(name, "1")], ENCODER, "int8")
    assert store.templates.counts() == (0, 0, 0)


@pytest.mark.parametrize("name", ["Zoë O'Hara; DROP TABLE identities", "山田 太郎", "محمد\u200cرضا", "%s{0}\\"])
def test_any_other_name_is_kept_as_it_is(store: GalleryStore, name: str) -> None:
    add(store, name, "1")
    assert store.identities.find(name).name == name
    assert store.identities.forget([name])[0].images == 1


def test_asking_for_a_name_of_undecodable_bytes_is_a_usage_error(store: GalleryStore) -> None:
    with pytest.raises(UsageError, match="not valid text"):
        store.identities.find("\udcff")


def test_template_infos_tell_where_a_template_comes_from(store: GalleryStore) -> None:
    first, second = add(store, "Ann", "1.jpg", "2.jpg")
    infos = store.identities.templates("Ann")
    assert [info.id for info in infos] == [first, second]
    assert infos[0].path == "people/Ann/1.jpg"
    assert infos[0].box == (1.5, 2.0, 30.0, 40.0)
    assert (infos[0].quality, infos[0].precision, infos[0].codec) == (0.5, "fp32", "int8")


def test_renaming_keeps_the_templates(store: GalleryStore) -> None:
    ids = add(store, "Ann", "1")
    before = store.identities.find("Ann")
    store.identities.rename("Ann", "Anna")
    assert store.identities.find("Anna").id == before.id
    assert store.templates.owners(ids)[ids[0]].identity == "Anna"
    with pytest.raises(UnknownIdentityError):
        store.identities.find("Ann")


def test_renaming_to_a_name_that_is_taken_suggests_to_merge(store: GalleryStore) -> None:
    add(store, "Ann", "1")
    add(store, "Anna", "2")
    with pytest.raises(IdentityExistsError, match="merge"):
        store.identities.rename("Ann", "Anna")
    assert store.templates.counts().identities == 2


def test_renaming_to_the_same_name_changes_nothing(store: GalleryStore) -> None:
    add(store, "Ann", "1")
    store.identities.rename("Ann", "Ann")
    assert store.audit.events() == []


def test_renaming_to_an_unusable_name_is_refused(store: GalleryStore) -> None:
    add(store, "Ann", "1")
    with pytest.raises(UsageError):
        store.identities.rename("Ann", "A\nnn")
    assert store.identities.find("Ann").templates == 1


def test_merging_gives_all_templates_to_the_target(store: GalleryStore) -> None:
    add(store, "Ann", "1", "2")
    kept = add(store, "Anna", "3")
    assert store.identities.merge(["Ann"], "Anna") == 2
    assert [(i.name, i.templates) for i in store.identities.all()] == [("Anna", 3)]
    assert store.templates.position().last_removal_id == 0  # no template is gone, so the index stays as it is
    assert store.templates.owners(kept)[kept[0]].identity == "Anna"


def test_an_identity_cannot_be_merged_into_itself(store: GalleryStore) -> None:
    add(store, "Ann", "1")
    with pytest.raises(UsageError, match="itself"):
        store.identities.merge(["Ann"], "Ann")
    assert store.identities.find("Ann").templates == 1


def test_forgetting_takes_the_templates_and_the_images_along(store: GalleryStore) -> None:
    gone = add(store, "Ann", "1", "2")
    add(store, "Zoe", "3")
    ann = store.identities.find("Ann").id
    (removed,) = store.identities.forget(["Ann"])
    assert (removed.identity_id, removed.template_ids, removed.images) == (ann, tuple(gone), 2)
    assert store.templates.counts() == (1, 1, 1)
    assert store.templates.owners(gone) == {}
    assert len(store.templates.codes(gone)) == 0
    assert store.templates.removed_since(0).tolist() == gone
    assert store.integrity_check() == []


def test_ids_are_never_used_again_after_forgetting(store: GalleryStore) -> None:
    old = add(store, "Ann", "1", "2")
    old_identity = store.identities.find("Ann").id
    store.identities.forget(["Ann"])
    new = add(store, "Ann", "1", "2")
    assert min(new) > max(old)
    assert store.identities.find("Ann").id > old_identity


def test_a_forgotten_person_can_be_enrolled_again(store: GalleryStore) -> None:
    add(store, "Ann", "1")
    store.identities.forget(["Ann"])
    assert len(add(store, "Ann", "1")) == 1


def test_the_audit_log_has_ids_and_counts_but_no_names(store: GalleryStore) -> None:
    add(store, "Secretname", "1", "2", code=b"\x42\x43\x44\x45")
    add(store, "Othername", "3")
    store.identities.rename("Secretname", "Newsecret")
    target = store.identities.find("Othername").id
    source = store.identities.find("Newsecret").id
    store.identities.merge(["Newsecret"], "Othername")
    store.identities.forget(["Othername"])
    events = store.audit.events()
    assert [event.action for event in events] == ["rename", "merge", "forget"]
    assert [event.identity_id for event in events] == [source, target, target]
    assert json.loads(events[2].detail) == {"templates": 3, "images": 3}
    written = " ".join(event.detail for event in events).lower()
    assert "secret" not in written
    assert "name" not in written


def test_other_events_can_be_logged(store: GalleryStore) -> None:
    store.audit.add("enroll", None, {"templates": 3})
    event = store.audit.events()[0]
    assert (event.action, event.identity_id, event.detail) == ("enroll", None, '{"templates":3}')
