"""Templates: adding, reading, re-encoding."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facesearch.errors import StoreError, UsageError
from facesearch.store import EncoderKey, IdentityStore, open_store

from .samples import ENCODER, SETTINGS, add, content, template


def test_every_new_template_gets_an_id_in_the_order_of_the_batch(store: IdentityStore) -> None:
    batch = [template(f"person {n % 3}", str(n), bytes([n])) for n in range(50)]
    ids = store.add_templates(batch, ENCODER, "int8")
    assert ids == list(range(1, 51))
    stored = store.codes([i for i in ids if i is not None])
    assert stored.codes == [new.code for new in batch]
    assert set(stored.codecs) == {"int8"}
    assert store.counts() == (3, 50, 50)


def test_an_image_that_is_enrolled_already_is_skipped(store: IdentityStore) -> None:
    add(store, "Ann", "1")
    assert store.add_templates([template("Zoe", "1"), template("Zoe", "2")], ENCODER, "int8") == [None, 2]
    assert store.identity("Zoe").templates == 1


def test_the_same_image_twice_in_a_batch_is_added_once(store: IdentityStore) -> None:
    assert store.add_templates([template("Ann", "1"), template("Zoe", "1")], ENCODER, "int8") == [1, None]
    assert [i.name for i in store.identities()] == ["Ann"]


def test_an_identity_whose_images_are_all_skipped_is_not_created(store: IdentityStore) -> None:
    add(store, "Ann", "1")
    store.add_templates([template("Zoe", "1")], ENCODER, "int8")
    assert store.counts().identities == 1


def test_a_batch_is_added_as_a_whole_or_not_at_all(store: IdentityStore) -> None:
    with pytest.raises(UsageError):
        store.add_templates([template("Ann", "1"), template("bad\nname", "2")], ENCODER, "int8")
    assert store.counts() == (0, 0, 0)
    assert store.watermark() == (0, 0)


def test_an_empty_batch_is_fine(store: IdentityStore) -> None:
    assert store.add_templates([], ENCODER, "int8") == []


def test_a_path_of_undecodable_bytes_is_stored_readably(store: IdentityStore) -> None:
    store.add_templates([template("Ann", "1")._replace(path="people/caf\udce9.jpg")], ENCODER, "int8")
    assert store.template_infos("Ann")[0].path == "people/caf\\xe9.jpg"


def test_a_template_without_a_box_is_stored_without_one(store: IdentityStore) -> None:
    store.add_templates([template("Ann", "1")._replace(box=None)], ENCODER, "int8")
    assert store.template_infos("Ann")[0].box is None


def test_a_hash_of_the_wrong_length_is_refused_by_the_database(store: IdentityStore) -> None:
    with pytest.raises(StoreError):
        store.add_templates([template("Ann", "1")._replace(sha256=b"short")], ENCODER, "int8")
    assert store.counts() == (0, 0, 0)


def test_enrolled_images_are_found_by_their_content(store: IdentityStore) -> None:
    add(store, "Ann", "1", "2")
    add(store, "Zoe", "3")
    found = store.enrolled([content("1"), content("3"), content("absent")])
    assert found == {content("1"): "Ann", content("3"): "Zoe"}
    assert store.enrolled([]) == {}


def test_thirteen_thousand_hashes_are_looked_up_quickly(store: IdentityStore) -> None:
    add(store, "Ann", *map(str, range(2000)))
    hashes = [content(str(n)) for n in range(13_000)]
    start = time.perf_counter()
    found = store.enrolled(hashes)
    assert len(found) == 2000
    assert time.perf_counter() - start < 2  # about 0.1 s; generous for a busy machine


def test_owners_are_the_identities_of_templates(store: IdentityStore) -> None:
    ann, zoe = add(store, "Ann", "1"), add(store, "Zoe", "2")
    owners = store.owners([*ann, *zoe, 999])
    assert {template_id: owner.identity for template_id, owner in owners.items()} == {ann[0]: "Ann", zoe[0]: "Zoe"}
    assert store.owners(np.array(ann, np.int64).tolist())[ann[0]].identity_id == store.identity("Ann").id


def test_ids_from_an_array_are_accepted(store: IdentityStore) -> None:
    ids = np.array(add(store, "Ann", "1", "2"), np.int64)
    assert len(store.owners(ids)) == 2  # type: ignore[arg-type]
    assert len(store.codes(ids)) == 2  # type: ignore[arg-type]


def test_codes_come_in_the_order_that_was_asked_for(store: IdentityStore) -> None:
    first = add(store, "Ann", "1", code=b"one")[0]
    second = add(store, "Ann", "2", code=b"two")[0]
    found = store.codes([second, 999, first])
    assert found.ids.tolist() == [second, first]
    assert found.codes == [b"two", b"one"]


def test_templates_come_in_batches_ordered_by_id(store: IdentityStore) -> None:
    add(store, "Ann", *map(str, range(25)))
    batches = list(store.templates(after_id=3, batch=10))
    assert [len(batch) for batch in batches] == [10, 10, 2]
    ids = np.concatenate([batch.ids for batch in batches])
    assert ids.dtype == np.int64
    assert ids.tolist() == list(range(4, 26))


def test_the_store_can_be_written_while_templates_are_read(store: IdentityStore) -> None:
    add(store, "Ann", *map(str, range(20)))
    for batch in store.templates(batch=5):
        if batch.ids[0] == 1:
            store.forget("Ann")
            add(store, "Zoe", "z")
    assert store.counts() == (1, 1, 1)


def test_the_watermark_remembers_what_is_gone(store: IdentityStore) -> None:
    assert store.watermark() == (0, 0)
    add(store, "Ann", "1", "2")
    assert store.watermark() == (2, 0)
    store.forget("Ann")
    assert store.watermark() == (2, 2)
    assert [tuple(r) for r in store.removals(1)] == [(2, 2)]


def test_encoders_are_told_apart_by_their_fingerprint(store: IdentityStore) -> None:
    first = store.encoder_id(ENCODER)
    assert store.encoder_id(ENCODER) == first
    assert store.encoder_id(EncoderKey("dlib-resnet", "int8", "onnx", "e" * 64)) != first


def test_recoding_replaces_every_code_and_the_codec_of_the_gallery(store: IdentityStore) -> None:
    store.configure(SETTINGS, ENCODER)
    add(store, "Ann", *map(str, range(10)), code=b"abcd")
    store.add_templates([template("Zoe", "z", b"wxyz")], ENCODER, "fp16")
    calls: list[str] = []
    progress: list[tuple[int, int]] = []

    def shorten(codes: list[bytes], codec: str) -> list[bytes]:
        calls.append(codec)
        return [code[:2] for code in codes]

    assert store.recode(shorten, "pq2", lambda done, total: progress.append((done, total))) == 11
    assert calls == ["int8", "fp16"]
    assert progress == [(11, 11)]
    (batch,) = store.templates()
    assert set(batch.codes) == {b"ab", b"wx"}
    assert set(batch.codecs) == {"pq2"}
    now = store.settings()
    assert now is not None
    assert now.codec == "pq2"
    assert store.index_state() is None


def test_recoding_that_fails_leaves_everything_as_it_was(store: IdentityStore) -> None:
    store.configure(SETTINGS, ENCODER)
    add(store, "Ann", "1", code=b"old")

    def fail(codes: list[bytes], codec: str) -> list[bytes]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.recode(fail, "pq2")
    with pytest.raises(StoreError, match="gave 0 codes"):
        store.recode(lambda codes, codec: [], "pq2")
    (batch,) = store.templates()
    assert (batch.codes, batch.codecs) == ([b"old"], ["int8"])
    assert store.settings() == SETTINGS


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
                store.forget(who)
                owner_of = {i: o for i, o in owner_of.items() if o != who}
            elif action == "merge" and {who, "C"} <= known:
                store.merge(who, "C")
                owner_of = {i: "C" if o == who else o for i, o in owner_of.items()}
            # what an index does that is behind by a step or two
            for batch in store.templates(after_id=seen[0]):
                replayed |= set(batch.ids.tolist())
            replayed -= {removal.template_id for removal in store.removals(seen[1])}
            seen = store.watermark()
        assert store.enrolled([content(i) for i in owner_of]) == {content(i): o for i, o in owner_of.items()}
        assert replayed == {i for batch in store.templates() for i in batch.ids.tolist()}
        assert store.counts() == (len(set(owner_of.values())), len(owner_of), len(owner_of))
        assert store.integrity_check() == []
