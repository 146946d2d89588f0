"""Settings of the gallery, state of the index, stored evaluations."""

from __future__ import annotations

from dataclasses import replace

import pytest

from facesearch.errors import StoreError
from facesearch.store import EncoderKey, GallerySettings, IdentityStore, IndexState

from .samples import ENCODER, SETTINGS, add

STATE = IndexState("sq8", "int8", "index-1.faiss", "ab" * 32, 2, 2, 0, 1234, 1_700_000_000)


def test_a_new_store_has_no_settings(store: IdentityStore) -> None:
    assert store.settings() is None
    assert store.gallery_encoder() is None


def test_settings_are_fixed_once_and_the_second_to_ask_gets_the_first_ones(store: IdentityStore) -> None:
    assert store.configure(SETTINGS, ENCODER) == SETTINGS
    other = GallerySettings("facenet", 512, "fp32", "flat", 0.4)
    assert store.configure(other, EncoderKey("facenet", "fp32", "onnx", "e" * 64)) == SETTINGS
    assert store.settings() == SETTINGS
    assert store.gallery_encoder() == ENCODER
    assert str(ENCODER) == "dlib-resnet:fp32@onnx"


def test_the_threshold_can_be_changed_and_taken_back(store: IdentityStore) -> None:
    store.configure(SETTINGS, ENCODER)
    store.set_threshold(0.25)
    assert store.settings() == replace(SETTINGS, threshold=0.25)
    store.set_threshold(None)
    assert store.settings() == SETTINGS


def test_settings_cannot_be_changed_before_there_are_any(store: IdentityStore) -> None:
    with pytest.raises(StoreError, match="enrol"):
        store.set_threshold(0.5)
    with pytest.raises(StoreError, match="enrol"):
        store.set_index_kind("flat", "fp32")


def test_changing_the_index_kind_declares_the_index_invalid(store: IdentityStore) -> None:
    store.configure(SETTINGS, ENCODER)
    assert store.set_index_state(STATE)
    store.set_index_kind("pq64", "pq64")
    assert store.index_state() is None
    assert store.settings() == replace(SETTINGS, index_kind="pq64", codec="pq64")


def test_an_index_state_is_kept_until_it_is_cleared(store: IdentityStore) -> None:
    assert store.index_state() is None
    assert store.set_index_state(STATE)
    assert store.index_state() == STATE
    store.clear_index_state()
    assert store.index_state() is None


@pytest.mark.parametrize("older", [{"last_template_id": 1}, {"last_removal_id": 3}])
def test_an_index_that_covers_less_never_replaces_one_that_covers_more(
    store: IdentityStore, older: dict[str, int]
) -> None:
    current = replace(STATE, last_removal_id=4)
    assert store.set_index_state(current)
    assert not store.set_index_state(replace(current, file_name="late.faiss", **older))  # type: ignore[arg-type]
    assert store.index_state() == current


def test_an_index_that_covers_as_much_may_replace_the_stored_one(store: IdentityStore) -> None:
    assert store.set_index_state(STATE)
    assert store.set_index_state(replace(STATE, file_name="again.faiss"))
    stored = store.index_state()
    assert stored is not None
    assert stored.file_name == "again.faiss"


@pytest.mark.parametrize("change", [{"kind": "flat"}, {"codec": "fp32"}])
def test_an_index_of_another_kind_or_codec_than_the_gallery_is_not_recorded(
    store: IdentityStore, change: dict[str, str]
) -> None:
    store.configure(SETTINGS, ENCODER)
    assert not store.set_index_state(replace(STATE, **change))  # type: ignore[arg-type]
    assert store.index_state() is None


def test_recoding_declares_the_index_invalid(store: IdentityStore) -> None:
    store.configure(SETTINGS, ENCODER)
    add(store, "Ann", "1")
    assert store.set_index_state(STATE)
    store.recode(lambda codes, codec: codes, "fp16")
    assert store.index_state() is None


def test_evaluations_are_kept_in_the_order_they_were_run(store: IdentityStore) -> None:
    first = store.record_run("facesearch evaluate lfw", "lfw", "ab" * 32, '{"faiss":"1.15"}', '[{"top1":0.98}]')
    second = store.record_run("facesearch evaluate celeba", "celeba", "cd" * 32, "{}", "[]")
    assert store.runs() == [first, second]
    assert first.rows == '[{"top1":0.98}]'
