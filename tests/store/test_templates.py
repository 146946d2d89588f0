"""Templates: adding, reading, re-encoding."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facesearch.errors import StoreError, UsageError
from facesearch.store import EncoderKey, GalleryStore, Milestone, open_store

from .samples import ENCODER, SETTINGS, add, content, owners_of, template


def test_every_new_template_gets_an_id_in_the_order_of_the_batch(store: GalleryStore) -> None:
    batch = [template(f"person {n % 3}", str(n), bytes([n])) for n in range(50)]
    ids = store.templates.add(batch, ENCODER, "int8")
    assert ids == list(range(1, 51))
    stored = store.templates.codes([i for i in ids if i is not None])
    assert stored.codes == [new.code for new in batch]
    assert set(stored.codecs) == {"int8"}
    assert store.templates.counts() == (3, 50, 50)


def test_an_image_that_is_enrolled_already_is_skipped(store: GalleryStore) -> None:
    add(store, "Ann", "1")
    assert store.templates.add([template("Zoe", "1"), template("Zoe", "2")], ENCODER, "int8") == [None, 2]
    assert store.identities.find("Zoe").templates == 1


def test_the_same_image_twice_in_a_batch_is_added_once(store: GalleryStore) -> None:
    assert store.templates.add([template("Ann", "1"), template("Zoe", "1")], ENCODER, "int8") == [1, None]
    assert [i.name for i in store.identities.all()] == ["Ann"]


def test_an_identity_whose_images_are_all_skipped_is_not_created(store: GalleryStore) -> None:
    add(store, "Ann", "1")
    store.templates.add([template("Zoe", "1")], ENCODER, "int8")
    assert store.templates.counts().identities == 1


def test_a_batch_is_added_as_a_whole_or_not_at_all(store: GalleryStore) -> None:
    with pytest.raises(UsageError):
        store.templates.add([template("Ann", "1"), template("bad\nname", "2")], ENCODER, "int8")
    assert store.templates.counts() == (0, 0, 0)
    assert store.templates.position() == (0, 0)


def test_an_empty_batch_is_fine(store: GalleryStore) -> None:
    assert store.templates.add([], ENCODER, "int8") == []


def test_a_path_of_undecodable_bytes_is_stored_readably(store: GalleryStore) -> None:
    store.templates.add([template("Ann", "1")._replace(path="people/caf\udce9.jpg")], ENCODER, "int8")
    assert store.identities.templates("Ann")[0].path == "people/caf\\xe9.jpg"


def test_a_template_without_a_box_is_stored_without_one(store: GalleryStore) -> None:
    store.templates.add([template("Ann", "1")._replace(box=None)], ENCODER, "int8")
    assert store.identities.templates("Ann")[0].box is None


def test_a_hash_of_the_wrong_length_is_refused_by_the_database(store: GalleryStore) -> None:
    with pytest.raises(StoreError):
        store.templates.add([template("Ann", "1")._replace(sha256=b"short")], ENCODER, "int8")
    assert store.templates.counts() == (0, 0, 0)


def test_enrolled_images_are_found_by_their_content(store: GalleryStore) -> None:
    add(store, "Ann", "1", "2")
    add(store, "Zoe", "3")
    assert owners_of(store, "1", "3", "absent") == {"1": "Ann", "3": "Zoe"}
    assert store.templates.enrolled([content("3")])[content("3")] == [
        (3, "Zoe", "people/Zoe/3", (1.5, 2.0, 30.0, 40.0))
    ]
    assert store.templates.enrolled([]) == {}


def test_thirteen_thousand_hashes_are_looked_up_quickly(store: GalleryStore) -> None:
    add(store, "Ann", *map(str, range(2000)))
    hashes = [content(str(n)) for n in range(13_000)]
    start = time.perf_counter()
    found = store.templates.enrolled(hashes)
    assert len(found) == 2000
    assert time.perf_counter() - start < 2  # about 0.1 s; generous for a busy machine


def test_owners_are_the_identities_of_templates(store: GalleryStore) -> None:
    ann, zoe = add(store, "Ann", "1"), add(store, "Zoe", "2")
    owners = store.templates.owners([*ann, *zoe, 999])
    assert {template_id: owner.identity for template_id, owner in owners.items()} == {ann[0]: "Ann", zoe[0]: "Zoe"}
    assert (
        store.templates.owners(np.array(ann, np.int64).tolist())[ann[0]].identity_id == store.identities.find("Ann").id
    )


def test_ids_from_an_array_are_accepted(store: GalleryStore) -> None:
    ids = np.array(add(store, "Ann", "1", "2"), np.int64)
    assert len(store.templates.owners(ids)) == 2  # type: ignore[arg-type]
    assert len(store.templates.codes(ids)) == 2  # type: ignore[arg-type]


def test_qualities_are_those_of_the_templates_that_are_there(store: GalleryStore) -> None:
    good = template("Bo", "2")._replace(quality=0.9)
    first, second = store.templates.add([template("Ada", "1"), good], ENCODER, "int8")
    assert first and second
    assert store.templates.qualities([second, 999, first]) == {first: 0.5, second: 0.9}
    assert store.templates.qualities([]) == {}


def test_codes_come_in_the_order_that_was_asked_for(store: GalleryStore) -> None:
    first = add(store, "Ann", "1", code=b"one")[0]
    second = add(store, "Ann", "2", code=b"two")[0]
    found = store.templates.codes([second, 999, first])
    assert found.ids.tolist() == [second, first]
    assert found.codes == [b"two", b"one"]


def test_templates_come_in_batches_ordered_by_id(store: GalleryStore) -> None:
    add(store, "Ann", *map(str, range(25)))
    batches = list(store.templates.batches(after_id=3, batch=10))
    assert [len(batch) for batch in batches] == [10, 10, 2]
    ids = np.concatenate([batch.ids for batch in batches])
    assert ids.dtype == np.int64
    assert ids.tolist() == list(range(4, 26))


def test_the_store_can_be_written_while_templates_are_read(store: GalleryStore) -> None:
    add(store, "Ann", *map(str, range(20)))
    for batch in store.templates.batches(batch=5):
        if batch.ids[0] == 1:
            store.identities.forget(["Ann"])
            add(store, "Zoe", "z")
    assert store.templates.counts() == (1, 1, 1)


def test_the_position_remembers_what_is_gone(store: GalleryStore) -> None:
    assert store.templates.position() == (0, 0)
    add(store, "Ann", "1", "2")
    assert store.templates.position() == (2, 0)
    store.identities.forget(["Ann"])
    assert store.templates.position() == (2, 2)
    assert store.templates.removed_since(1).tolist() == [2]


def test_encoders_are_told_apart_by_their_fingerprint(store: GalleryStore) -> None:
    first = store.settings.encoder_id(ENCODER)
    assert store.settings.encoder_id(ENCODER) == first
    assert store.settings.encoder_id(EncoderKey("dlib-resnet", "int8", "onnx", "e" * 64)) != first


def test_recoding_replaces_every_code_and_the_codec_of_the_gallery(store: GalleryStore) -> None:
    store.templates.add([template("Zoe", "z", b"wxyz")], ENCODER, "fp16")
    store.settings.configure(SETTINGS, ENCODER)
    add(store, "Ann", *map(str, range(10)), code=b"abcd")
    calls: list[str] = []
    progress: list[tuple[int, int]] = []

    def shorten(codes: list[bytes], codec: str) -> list[bytes]:
        calls.append(codec)
        return [code[:2] for code in codes]

    assert store.recoding.switch("pq2", "pq2", shorten, None, lambda done, total: progress.append((done, total))) == 11
    assert calls == ["fp16", "int8"]
    assert progress == [(11, 11)]
    (batch,) = store.templates.batches()
    assert set(batch.codes) == {b"ab", b"wx"}
    assert set(batch.codecs) == {"pq2"}
    now = store.settings.read()
    assert now is not None
    assert now.codec == "pq2"
    assert store.index_state.read() is None


def test_recoding_that_fails_leaves_everything_as_it_was(store: GalleryStore) -> None:
    store.settings.configure(SETTINGS, ENCODER)
    add(store, "Ann", "1", code=b"old")

    def fail(codes: list[bytes], codec: str) -> list[bytes]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.recoding.switch("pq2", "pq2", fail)
    with pytest.raises(StoreError, match="gave 0 codes"):
        store.recoding.switch("pq2", "pq2", lambda codes, codec: [])
    (batch,) = store.templates.batches()
    assert (batch.codes, batch.codecs) == ([b"old"], ["int8"])
    assert store.settings.read() == SETTINGS


_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.sampled_from("ABC"), st.integers(0, 6)),
        st.tuples(st.just("forget"), st.sampled_from("ABC"), st.just(0)),
        st.tuples(st.just("merge"), st.sampled_from("AB"), st.just(0)),
    ),
    max_size=12,
)


@settings(max_examples=40, deadline=None)
@given(steps=_STEPS)
def test_whatever_is_done_a_replay_of_the_changes_gives_what_is_stored(steps: list[tuple[str, str, int]]) -> None:
    owner_of: dict[str, str] = {}  # image -> identity
    replayed: set[int] = set()
    seen = (0, 0)
    with open_store("sqlite://") as store:
        for action, who, image in steps:
            known = set(owner_of.values())
            if action == "add":
                added = add(store, who, str(image))
                assert bool(added) == (str(image) not in owner_of)
                owner_of.setdefault(str(image), who)
            elif action == "forget" and who in known:
                store.identities.forget([who])
                owner_of = {i: o for i, o in owner_of.items() if o != who}
            elif action == "merge" and {who, "C"} <= known:
                store.identities.merge([who], "C")
                owner_of = {i: "C" if o == who else o for i, o in owner_of.items()}
            # what an index does that is behind by a step or two
            for batch in store.templates.batches(after_id=seen[0]):
                replayed |= set(batch.ids.tolist())
            replayed -= set(store.templates.removed_since(seen[1]).tolist())
            seen = store.templates.position()
        assert owners_of(store, *owner_of) == owner_of
        assert replayed == {i for batch in store.templates.batches() for i in batch.ids.tolist()}
        assert store.templates.counts() == (len(set(owner_of.values())), len(owner_of), len(owner_of))
        assert store.integrity_check() == []


def test_a_log_is_known_again_by_its_newest_templates(store: GalleryStore) -> None:
    ids = add(store, "Ann", "1", "2", "3")
    known = store.templates.milestones(ids[-1])
    assert [each.template_id for each in known] == sorted(ids, reverse=True)
    assert store.templates.holds(known)
    assert store.templates.holds(())
    assert not store.templates.holds([known[0]._replace(digest=known[0].digest ^ 1)])
    assert not store.templates.holds([Milestone(ids[-1] + 1, 5)])
    store.corrections.set_aside(ids[-1:])
    assert store.templates.holds(known)
