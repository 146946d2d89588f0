"""Settings of the gallery and state of the index."""

from __future__ import annotations

from dataclasses import replace

import pytest

from facesearch.errors import StoreError
from facesearch.store import EncoderKey, GallerySettings, GalleryStore, IndexState, LogPosition, Segment

from .samples import ENCODER, SETTINGS, add

FIRST = Segment("index-1.faiss", "ab" * 32, 2, 1, 2, 1234)
SECOND = Segment("index-2.faiss", "cd" * 32, 1, 3, 3, 617)
STATE = IndexState("sq8", "int8", LogPosition(3, 0), (FIRST, SECOND), 1_700_000_000, version=5)


def test_a_new_store_has_no_settings(store: GalleryStore) -> None:
    assert store.settings.read() is None
    assert store.settings.encoder() is None


def test_settings_are_fixed_once_and_the_second_to_ask_gets_the_first_ones(store: GalleryStore) -> None:
    assert store.settings.configure(SETTINGS, ENCODER) == SETTINGS
    other = GallerySettings("facenet", 512, "fp32", "flat", 0.4)
    assert store.settings.configure(other, EncoderKey("facenet", "fp32", "onnx", "e" * 64)) == SETTINGS
    assert store.settings.read() == SETTINGS
    assert store.settings.encoder() == ENCODER
    assert str(ENCODER) == "dlib-resnet:fp32@onnx"


def test_the_threshold_can_be_changed_and_taken_back(store: GalleryStore) -> None:
    store.settings.configure(SETTINGS, ENCODER)
    store.settings.set_threshold(0.25)
    assert store.settings.read() == replace(SETTINGS, threshold=0.25)
    store.settings.set_threshold(None)
    assert store.settings.read() == SETTINGS


def test_a_threshold_for_another_score_goes_and_one_for_the_same_stays(store: GalleryStore) -> None:
    store.settings.configure(SETTINGS, ENCODER)
    assert SETTINGS.score == "cosine"
    store.settings.set_threshold(0.25)
    store.settings.set_score("cosine")
    assert store.settings.read() == replace(SETTINGS, threshold=0.25)
    store.settings.set_score("normalised")
    assert store.settings.read() == replace(SETTINGS, score="normalised")
    store.settings.set_threshold(0.5)
    assert store.settings.read() == replace(SETTINGS, score="normalised", threshold=0.5)


def test_settings_are_kept_with_the_score_that_they_name(store: GalleryStore) -> None:
    settings = replace(SETTINGS, score="normalised")
    assert store.settings.configure(settings, ENCODER) == settings
    with store.moment() as moment:
        state = moment.state()
    assert state is not None
    assert state.settings == settings


def test_settings_cannot_be_changed_before_there_are_any(store: GalleryStore) -> None:
    with pytest.raises(StoreError, match="enrol"):
        store.settings.set_threshold(0.5)
    with pytest.raises(StoreError, match="enrol"):
        store.settings.set_score("normalised")
    with pytest.raises(StoreError, match="enrol"):
        store.recoding.switch("flat", "fp32", lambda codes, codec: codes)


def test_a_moment_sees_settings_and_position_in_one_statement(store: GalleryStore) -> None:
    with store.moment() as moment:
        assert moment.state() is None
    store.settings.configure(SETTINGS, ENCODER)
    add(store, "Ann", "1", "2")
    add(store, "Zoe", "3")
    assert store.index_state.replace(None, STATE)
    store.identities.merge(["Zoe"], "Ann")
    with store.moment() as moment:
        state = moment.state()
        assert state is not None
        assert (state.settings, state.position, state.index_version) == (SETTINGS, LogPosition(3, 0), 5)
        ann = moment.owners([1])[1].identity_id
        assert moment.template_ids([ann]).tolist() == [1, 2, 3]
    assert state.last_event == store.audit.events()[-1].id


def test_changing_the_index_kind_declares_the_index_invalid_or_records_the_new_one(store: GalleryStore) -> None:
    store.settings.configure(SETTINGS, ENCODER)
    add(store, "Ann", "1", "2", "3")
    assert store.index_state.replace(None, STATE)
    assert store.recoding.switch("pq64", "pq64", lambda codes, codec: codes) == 3
    assert store.index_state.read() is None
    assert store.settings.read() == replace(SETTINGS, index_kind="pq64", codec="pq64")
    other = replace(STATE, kind="flat", codec="pq64", version=6)
    assert store.recoding.switch("flat", "pq64", lambda codes, codec: codes, other) == 0
    assert store.index_state.read() == other


def test_an_index_state_is_kept_also_where_its_files_are_taken_away(store: GalleryStore) -> None:
    store.settings.configure(SETTINGS, ENCODER)
    assert store.index_state.read() is None
    assert not store.index_state.is_recorded()
    assert store.index_state.replace(None, STATE)
    assert store.index_state.read() == STATE
    store.index_state.discard_files(STATE.file_names)
    left = store.index_state.read()
    assert left is not None
    assert (left.kind, left.position, left.file_names) == (STATE.kind, STATE.position, set())
    assert store.index_state.is_recorded()


def test_files_are_recorded_only_in_place_of_those_that_the_writer_has_seen(store: GalleryStore) -> None:
    store.settings.configure(SETTINGS, ENCODER)
    assert store.index_state.replace(None, STATE)
    newer = replace(STATE, version=6)
    assert not store.index_state.replace(None, newer)
    assert store.index_state.replace(STATE, newer)
    assert not store.index_state.replace(STATE, replace(STATE, version=7))
    assert store.index_state.read() == newer


def test_a_file_that_was_taken_away_leaves_its_part_of_the_index_to_be_built(store: GalleryStore) -> None:
    store.settings.configure(SETTINGS, ENCODER)
    assert store.index_state.replace(None, STATE)
    store.index_state.discard_files(["index-2.faiss", "index-9.faiss"])
    found = store.index_state.read()
    assert found is not None
    assert found.version == STATE.version
    assert found.segments == (FIRST, replace(SECOND, file_name="", sha256="", size_bytes=0))
    assert not store.index_state.replace(STATE, replace(STATE, version=6))  # it has not seen that
    assert store.integrity_check() == []


def test_parts_of_an_index_that_leave_templates_out_are_not_relied_on(store: GalleryStore) -> None:
    store.settings.configure(SETTINGS, ENCODER)
    for segments in ((FIRST,), (SECOND,), (FIRST, replace(SECOND, first_template_id=4))):
        assert store.index_state.replace(None, replace(STATE, segments=segments))
        assert store.index_state.read() is None
        assert store.index_state.is_recorded()


@pytest.mark.parametrize("change", [{"kind": "flat"}, {"codec": "fp32"}])
def test_an_index_of_another_kind_or_codec_than_the_gallery_is_not_recorded(
    store: GalleryStore, change: dict[str, str]
) -> None:
    store.settings.configure(SETTINGS, ENCODER)
    assert not store.index_state.replace(None, replace(STATE, **change))  # type: ignore[arg-type]
    assert store.index_state.read() is None
